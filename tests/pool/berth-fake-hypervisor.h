/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A hypervisor without VMs: scripted latencies, faults at every step, stuck, late and double
 * events, in virtual or in real time. */
#pragma once

#include "berth-error.h"
#include "berth-hypervisor.h"
#include "berth-vm.h"

G_BEGIN_DECLS

/**
 * BerthFakeCall:
 *
 * The calls of #BerthHypervisor that have an answer.
 */
typedef enum
{
  BERTH_FAKE_START,
  BERTH_FAKE_CLAIM,
  BERTH_FAKE_PAUSE,
  BERTH_FAKE_WAKE,
  BERTH_FAKE_DESTROY,
} BerthFakeCall;

/**
 * BerthFakePlan:
 * @latency_us: until the answer
 * @fail_step: (nullable): where it fails; %NULL to succeed
 * @fail_code: of BERTH_ERROR, with which it fails
 * @repeats: how often the answer is given again
 * @repeat_after_us: after the answer
 * @is_deaf: a start that goes on answering after destroy() or its end, as if it had not heard
 *
 * What becomes of one call.
 */
typedef struct
{
  gint64 latency_us;
  const char *fail_step;
  gint fail_code;
  guint repeats;
  gint64 repeat_after_us;
  gboolean is_deaf;
} BerthFakePlan;

/* changes @plan, which is what the knobs below say; on the caller's thread, with the fake locked */
typedef void (*BerthFakeScript) (BerthFakeCall call, BerthVm *vm, BerthFakePlan *plan,
                                 gpointer user_data);

/**
 * BerthFakeStep:
 * @name: of a step of starting a VM at which it can fail
 * @code: of BERTH_ERROR, the error of a failure there
 */
typedef struct
{
  const char *name;
  gint code;
} BerthFakeStep;

#define BERTH_TYPE_FAKE_HYPERVISOR (berth_fake_hypervisor_get_type ())
G_DECLARE_FINAL_TYPE (BerthFakeHypervisor, berth_fake_hypervisor, BERTH, FAKE_HYPERVISOR, GObject)

/* answers on a thread of its own, in real time */
BerthFakeHypervisor *berth_fake_hypervisor_new (void);
/* answers only inside berth_fake_hypervisor_deliver(), in virtual time; one thread */
BerthFakeHypervisor *berth_fake_hypervisor_new_virtual (void);

/* the script's knobs; any thread */
void berth_fake_hypervisor_set_script (BerthFakeHypervisor *self, BerthFakeScript script,
                                       gpointer user_data);
void berth_fake_hypervisor_set_latency (BerthFakeHypervisor *self, BerthFakeCall call,
                                        gint64 latency_us);
/* every start fails at @step until NULL */
void berth_fake_hypervisor_fail_at (BerthFakeHypervisor *self, const char *step);
/* the next @count calls of destroy() end in STUCK */
void berth_fake_hypervisor_stick (BerthFakeHypervisor *self, guint count);
/* starts answer only after it was let go */
void berth_fake_hypervisor_hold_starts (BerthFakeHypervisor *self, gboolean hold);

/* the world, from outside; any thread */
/* virsh destroy: FALSE if there is no such domain */
gboolean berth_fake_hypervisor_kill (BerthFakeHypervisor *self, BerthVm *vm);
/* an event out of nothing; the domain does not change */
void
berth_fake_hypervisor_say (BerthFakeHypervisor *self, BerthHypervisorEventType type, BerthVm *vm);
guint berth_fake_hypervisor_count_domains (BerthFakeHypervisor *self);
gint64 berth_fake_hypervisor_sum_memory_mb (BerthFakeHypervisor *self);
guint berth_fake_hypervisor_max_domains (BerthFakeHypervisor *self); /* that ever existed at once */
guint berth_fake_hypervisor_count_calls (BerthFakeHypervisor *self, BerthFakeCall call);
/* terminated by a NULL name */
const BerthFakeStep *berth_fake_hypervisor_get_steps (void);

/* virtual time only */
gint64 berth_fake_hypervisor_next_due_us (BerthFakeHypervisor *self); /* G_MAXINT64: none */
void berth_fake_hypervisor_set_now (BerthFakeHypervisor *self, gint64 now_us);
/* gives the first answer that is due; FALSE if there is none */
gboolean berth_fake_hypervisor_deliver (BerthFakeHypervisor *self);

G_END_DECLS
