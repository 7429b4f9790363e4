/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells ThreadSanitizer what hands memory from one thread to another inside GLib, whose own locks
 * it can't see (they are futexes in a library that is not instrumented). Nothing in other builds.
 */
#pragma once

#if defined(__SANITIZE_THREAD__)
#  define BERTH_SYNC_THREAD 1
#elif defined(__has_feature)
#  if __has_feature(thread_sanitizer)
#    define BERTH_SYNC_THREAD 1
#  endif
#endif

#ifdef BERTH_SYNC_THREAD
#  include <sanitizer/tsan_interface.h>
/* what this thread did before is seen by whoever acquires the same address after that */
#  define BERTH_SYNC_RELEASE(address) __tsan_release ((void *)(address))
#  define BERTH_SYNC_ACQUIRE(address) __tsan_acquire ((void *)(address))
#else
#  define BERTH_SYNC_RELEASE(address) ((void)(address))
#  define BERTH_SYNC_ACQUIRE(address) ((void)(address))
#endif
