#pragma once

#include <napi.h>

#include "network.h"

// The network description of src/model/network.ts as native structs. Types are
// checked here; whether the network can run is for plan_network.
birbs::Network network_of(const Napi::Value& value);
