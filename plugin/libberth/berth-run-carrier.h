/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of a run, beside its call. */
#pragma once

#include "plugin/libberth/berth-client-call.h"
#include "plugin/model/berth-result-private.h"

G_BEGIN_DECLS

typedef struct _BerthRunCarrier BerthRunCarrier;

/* Adds the options and streams of the files that @program has to its call. NULL with @error */
BerthRunCarrier *berth_run_carrier_new (BerthProgram *program, GVariantDict *options,
                                        GUnixFDList *fds, GError **error);
void berth_run_carrier_free (BerthRunCarrier *self);
/* Takes over @self and @task, which ends as the one of berth_client_call_start(), and not before
 * all is there that comes back. */
void berth_run_carrier_start (BerthRunCarrier *self, GTask *task, const BerthClientCall *call);
/* Adds to @result (nullable) what came back with the call that @async_result is of, if it had files
 */
void berth_run_carrier_complete (GAsyncResult *async_result, BerthResult *result);

G_END_DECLS
