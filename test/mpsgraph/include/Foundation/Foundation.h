// GNUstep's Foundation and the little of Apple's that it lacks.
#pragma once

#include_next <Foundation/Foundation.h>

// As Apple's objc.h has it: nil is any pointer's null in C++.
#ifdef __cplusplus
#undef nil
#define nil nullptr
#endif

typedef double CFTimeInterval;

typedef struct {
  NSInteger majorVersion;
  NSInteger minorVersion;
  NSInteger patchVersion;
} NSOperatingSystemVersion;

// Answers with the macOS version that the stand-in plays.
@interface NSProcessInfo (Standin)
- (NSOperatingSystemVersion)operatingSystemVersion;
- (BOOL)isOperatingSystemAtLeastVersion:(NSOperatingSystemVersion)version;
@end

#ifdef __cplusplus
extern "C" {
#endif
// Whether the macOS that the stand-in plays is at least that of "macOS 13.0, *".
BOOL standin_macos_at_least(const char *versions);
#ifdef __cplusplus
}
#endif

// On Linux clang takes every @available(macOS ...) for true. With this,
// @available(macOS 13.0, *) becomes @encode(char)[...], which is 'c' or '\0',
// and so asks the stand-in. The price: nothing else may be called available().
#define available(...) encode(char)[standin_macos_at_least(#__VA_ARGS__) ? 0 : 1]
