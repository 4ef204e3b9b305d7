// What GNUstep's NSObjCRuntime.h asks for when blocks are on.
#include <Block.h>
