// Debian's blocks runtime does not retain the objects that a block captures, as
// Apple's does when it copies one. The linker's --wrap brings its two functions
// here.

#import <Foundation/Foundation.h>

namespace {

constexpr int is_object =
    3;  // BLOCK_FIELD_IS_OBJECT; not in a __block variable

}  // namespace

extern "C" {

void __real__Block_object_assign(void* to, const void* object, int flags);
void __real__Block_object_dispose(const void* object, int flags);

void __wrap__Block_object_assign(void* to, const void* object, int flags) {
  if (flags != is_object) {
    __real__Block_object_assign(to, object, flags);
    return;
  }
  *static_cast<const void**>(to) = [(id)object retain];
}

void __wrap__Block_object_dispose(const void* object, int flags) {
  if (flags != is_object) {
    __real__Block_object_dispose(object, flags);
    return;
  }
  [(id)object release];
}

}  // extern "C"
