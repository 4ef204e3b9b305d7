#pragma once

// What tests tell the stand-in and ask of it. Every setting has an environment
// variable as well, read once: BIRBS_STANDIN_ and the key in capitals, for
// example BIRBS_STANDIN_DEVICE=none.

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Seen from outside of the addon too, which hides everything else.
#pragma GCC visibility push(default)

// Settings, with their defaults. 0 bytes means no limit.
//   device           apple | paravirtual | discrete | hidden (only in
//                    MTLCopyAllDevices) | unsupported (no MPS) | none
//   macos            15.0      the version behind @available and NSProcessInfo
//   working_set      12884901888   recommendedMaxWorkingSetSize, bytes
//   max_buffer       9663676416    maxBufferLength, bytes
//   buffer_limit     0         newBuffer... answers nil when all device memory
//                              together would be more bytes
//   heap_limit       0         a command buffer whose graph needs more scratch
//                              bytes ends with the error OutOfMemory
//   queue            1         0: newCommandQueue answers nil
//   compile          1         0: compileWithDevice... answers nil
//   delay            0         milliseconds that each command buffer takes more
//   groups           1         0: a convolution in groups ends the process
//   split            0         operations of an encode after which it continues
//                              in another command buffer, as Apple's does
//                              after about 100
//   assign           end       when variables are assigned: end (all together,
//                              after the run's last read) | ordered (where they
//                              stand; later operations read the new value) |
//                              early (as soon as the new value is there)
//   continue         message   an encode that continues sends itself to
//                              commitAndContinue of the command buffer, or is
//                              `hidden` from subclasses
//   raise            0         the nth operation that is added to any graph
//                              raises an NSException
//   threads          0         that compute; 0: as many as there are cores
//   counters         ""        (environment only) file for JSON at exit
//   inject           ""        (environment only) fault@n,fault@n, ... as
//                              standin_inject, counted from the start
// Returns 0 if there is no such key or the value is no number where one is due.
int standin_set(const char* key, const char* value);

// Makes the nth command buffer committed from now on (1 is the next) fail:
//   timeout, out-of-memory, page-fault, internal: it alone ends with that
//       error; its results stay poisoned and the variables it assigns too
//   device-removed: it and all later ones, on every queue
//   nan: it ends well, its results and variables are NaN
//   wrong: from it on every convolution is 1 % too large, without an error
//   gradient: from it on gradients of convolution weights are 1 % too large
//   lost: from it on each run leaves out one assignment
//   hang: it never ends
//   abort: the process ends, as by an assertion in Apple's library
//   raise: the encode that commits it to continue in another raises then
// Returns 0 if there is no such fault.
int standin_inject(const char* fault, uint64_t nth);

// All settings as at the start, no faults, counters zero (but live bytes).
void standin_reset(void);

typedef struct standin_counters {
  uint64_t compiles;            // executables, those of graph runs included
  uint64_t compiles_level1;     // of these not at optimization level 0
  uint64_t encodes;             // executables put into a command buffer
  uint64_t command_buffers;     // created
  uint64_t commits;             // command buffers submitted
  uint64_t completed;           // command buffers done, failed ones included
  uint64_t failed;              // command buffers that ended with an error
  uint64_t host_waits;          // waitUntilCompleted, and runs that block
  uint64_t queue_waits;         // command buffers that waited for a free place
  uint64_t buffers;             // MTLBuffers allocated, tensor data's included
  uint64_t buffer_bytes;        // allocated for them, in all
  uint64_t live_buffers;        // not yet freed
  uint64_t live_bytes;          // of buffers, variables, constants and scratch
  uint64_t peak_bytes;          // the most that live_bytes was
  uint64_t copied_bytes;        // by newBufferWithBytes, NSData and writeBytes
  uint64_t input_bytes;         // read from input buffers by executables
  uint64_t result_bytes;        // written to result buffers by executables
  uint64_t read_bytes;          // read back through readBytes
  uint64_t variable_bytes_in;   // variables made, or assigned from a feed
  uint64_t variable_bytes_out;  // results that are a variable's value
  uint64_t in_flight;           // command buffers committed and not completed
  uint64_t max_in_flight;       // the most at a time
} standin_counters_t;

standin_counters_t standin_counters(void);

// The counters as a JSON object. Returns 0 if the file can't be written.
int standin_write_counters(const char* path);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
