/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one public error domain: its codes tell a caller what to do next. */
#pragma once

#include "berth-macros.h"

G_BEGIN_DECLS

/**
 * BERTH_ERROR:
 *
 * Domain of every error that berth hands to a caller. A cancelled operation is
 * %G_IO_ERROR_CANCELLED instead.
 */
#define BERTH_ERROR (berth_error_quark ())

/**
 * BerthError:
 * @BERTH_ERROR_INVALID: the request is wrong; fix it. Nothing was started
 * @BERTH_ERROR_NO_CAPACITY: at capacity, and the caller did not want to wait; or as many commands
 *   run in the sandbox as may
 * @BERTH_ERROR_WAIT_TIMED_OUT: at capacity until the caller's own deadline
 * @BERTH_ERROR_QUEUE_FULL: the queue's bound is reached
 * @BERTH_ERROR_SHUTTING_DOWN: berth stops; ask again when it runs
 * @BERTH_ERROR_UNAVAILABLE: no VM could be had before any code was sent; a retry is safe
 * @BERTH_ERROR_START_TIMED_OUT: a VM did not boot in its time; a retry is safe
 * @BERTH_ERROR_OUTCOME_UNKNOWN: the VM died after code was sent; find out before a retry
 * @BERTH_ERROR_GONE: the sandbox does not exist any more, or never did; make a new one
 * @BERTH_ERROR_DENIED: it belongs to somebody else
 * @BERTH_ERROR_CONFIG: the administrator must act (template, image, setting)
 * @BERTH_ERROR_INTERNAL: a bug of berth; report it
 * @BERTH_ERROR_LOCAL: the caller's own machine does not do its part: its disk is full, what it gave
 *   to read from or to write to fails. Mend that; the same again fails again. What was asked for
 * may be done
 *
 * What went wrong, ordered by what the caller can do; [func@Berth.error_get_advice] says what that
 * is.
 */
typedef enum
{
  BERTH_ERROR_INVALID,
  BERTH_ERROR_NO_CAPACITY,
  BERTH_ERROR_WAIT_TIMED_OUT,
  BERTH_ERROR_QUEUE_FULL,
  BERTH_ERROR_SHUTTING_DOWN,
  BERTH_ERROR_UNAVAILABLE,
  BERTH_ERROR_START_TIMED_OUT,
  BERTH_ERROR_OUTCOME_UNKNOWN,
  BERTH_ERROR_GONE,
  BERTH_ERROR_DENIED,
  BERTH_ERROR_CONFIG,
  BERTH_ERROR_INTERNAL,
  BERTH_ERROR_LOCAL,
#ifndef __GI_SCANNER__
  BERTH_ERROR_LAST, /* no code: grows */
#endif
} BerthError;

/**
 * BerthAdvice:
 * @BERTH_ADVICE_NONE: nothing: the caller cancelled
 * @BERTH_ADVICE_FIX_REQUEST: the same request never succeeds; change it, or what the caller gave
 *   along with it
 * @BERTH_ADVICE_WAIT: everything is in use; ask again later, wait longer, or go elsewhere
 * @BERTH_ADVICE_RETRY: nothing was done; the same request may succeed at once
 * @BERTH_ADVICE_RECONCILE: the program may have run, whole or in part; find out, then decide
 * @BERTH_ADVICE_CREATE: the sandbox is gone; make a new one
 * @BERTH_ADVICE_ASK_ADMINISTRATOR: somebody must change the host, or let this user in
 * @BERTH_ADVICE_REPORT_BUG: berth did what it never should
 *
 * What a caller does next about an error; see [func@Berth.error_get_advice].
 */
typedef enum
{
  BERTH_ADVICE_NONE,
  BERTH_ADVICE_FIX_REQUEST,
  BERTH_ADVICE_WAIT,
  BERTH_ADVICE_RETRY,
  BERTH_ADVICE_RECONCILE,
  BERTH_ADVICE_CREATE,
  BERTH_ADVICE_ASK_ADMINISTRATOR,
  BERTH_ADVICE_REPORT_BUG,
} BerthAdvice;

BERTH_AVAILABLE GQuark berth_error_quark (void);
BERTH_AVAILABLE const char *berth_error_get_code (const GError *error);
BERTH_AVAILABLE BerthAdvice berth_error_get_advice (const GError *error);
BERTH_AVAILABLE gboolean berth_error_is_retryable (const GError *error);

G_END_DECLS
