/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What pool hears of VMs that stand still: what libvirt tells is the truth, whoever did it. */
#include "berth-libvirt-private.h"

#include "pool/berth-error.h"
#include "pool/berth-request.h"

static void
log_paused (BerthVm *vm, BerthSlot *slot, gboolean is_paused)
{
  berth_libvirt_log (vm, slot->machine, G_LOG_LEVEL_MESSAGE,
                     is_paused ? BERTH_EVENT_SESSION_PAUSED : BERTH_EVENT_SESSION_RESUMED,
                     is_paused ? "sandbox %s is paused: %s" : "sandbox %s runs again: %s",
                     berth_vm_get_id (vm), berth_machine_get_name (slot->machine));
}

static void
slot_set_paused (BerthVm *vm, BerthSlot *slot, gboolean is_paused)
{
  BerthGuest *agent = berth_machine_get_agent (slot->machine);

  if (slot->is_paused != is_paused)
    log_paused (vm, slot, is_paused);
  slot->is_paused = is_paused;
  if (agent != NULL)
    berth_guest_set_paused (agent, is_paused);
}

static void adopted_cb (GObject *source, GAsyncResult *result, gpointer user_data);

/* For the first time since this berthd began. */
static void
libvirt_greet (BerthLibvirt *self, BerthSlot *slot)
{
  slot->is_waking = TRUE;
  berth_pauses_note (&slot->pauses, BERTH_PAUSES_CLAIM);
  berth_machine_adopt_async (slot->machine, BERTH_MACHINE_COLD, NULL, slot->cancellable, adopted_cb,
                             g_object_ref (self));
}

void
berth_libvirt_tell_paused (BerthLibvirt *self, BerthVm *vm, BerthSlot *slot, gboolean is_paused)
{
  g_autoptr (BerthRequest) request = berth_vm_dup_request (vm);
  gboolean is_ours = slot->resumes;

  slot->pause_number++;
  if (!is_paused)
    slot->resumes = FALSE;
  if (request == NULL)
    return;
  if (is_ours && is_paused)
    {
      slot->is_doubted = TRUE;
      return;
    }
  slot_set_paused (vm, slot, is_paused);
  /* a wake of ours is over when the clock is right, too, and tells it then; one that somebody else
   * has let run can be used when its guest has answered */
  if (!is_paused && !slot->is_waking && berth_machine_is_asleep (slot->machine))
    libvirt_greet (self, slot);
  else if (is_paused || (!is_ours && !slot->is_waking))
    berth_libvirt_emit (self, is_paused ? BERTH_HYPERVISOR_SUSPENDED : BERTH_HYPERVISOR_RESUMED, vm,
                        NULL);
}

/* ---- pool's calls ---- */

/* (nullable): of a VM that is up; of any other, its end is on its way to pool */
static BerthSlot *
libvirt_find_slot (BerthLibvirt *self, BerthVm *vm)
{
  BerthSlot *slot = g_hash_table_lookup (self->slots, vm);

  return slot != NULL && slot->phase == BERTH_PHASE_UP ? slot : NULL;
}

/* ---- what libvirt may not have told ---- */

static void
looked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BerthLibvirt) self = user_data;
  BerthMachine *machine = BERTH_MACHINE (source);
  BerthVm *vm = berth_machine_get_vm (machine);
  BerthSlot *slot = libvirt_find_slot (self, vm);
  g_autoptr (GError) error = NULL;
  guint number = 0;
  gboolean runs = berth_machine_look_finish (machine, result, &number, &error);

  if (slot == NULL || slot->is_copied)
    return;
  if (slot->is_waking)
    slot->is_doubted = TRUE;
  else if (error == NULL && slot->pause_number != number)
    berth_libvirt_look_at_pause (self, vm, slot);
  else if (error == NULL && runs == slot->is_paused)
    {
      berth_libvirt_note_pause (vm, slot, runs ? BERTH_PAUSES_RESUMED : BERTH_PAUSES_SUSPENDED);
      berth_libvirt_tell_paused (self, vm, slot, !runs);
    }
  else if (!slot->is_paused)
    {
      /* no pause of pool's waits any longer; where libvirt is away, it is looked at afterwards */
      if (error == NULL)
        g_set_error (&error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE, "somebody has resumed it");
      berth_libvirt_emit (self, BERTH_HYPERVISOR_RESUMED, vm, error);
    }
}

void
berth_libvirt_look_at_pause (BerthLibvirt *self, BerthVm *vm, BerthSlot *slot)
{
  berth_machine_look_async (slot->machine, slot->pause_number, looked_cb, g_object_ref (self));
}

/* ---- pause ---- */

/* That it was paused libvirt has told by now, but of one that stood still before. */
static void
paused_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BerthLibvirt) self = user_data;
  BerthMachine *machine = BERTH_MACHINE (source);
  BerthVm *vm = berth_machine_get_vm (machine);
  BerthSlot *slot = libvirt_find_slot (self, vm);
  g_autoptr (GError) error = NULL;
  gboolean ok = berth_machine_pause_finish (machine, result, &error);

  if (slot == NULL || slot->is_paused)
    return;
  if (ok)
    berth_libvirt_look_at_pause (self, vm, slot);
  else
    berth_libvirt_emit (self, BERTH_HYPERVISOR_RESUMED, vm, error);
}

void
berth_libvirt_pause (BerthLibvirt *self, BerthVm *vm)
{
  BerthSlot *slot = libvirt_find_slot (self, vm);

  if (slot != NULL)
    berth_machine_pause_async (slot->machine, paused_cb, g_object_ref (self));
}

/* ---- wake ---- */

static void
libvirt_end_wake (BerthLibvirt *self, BerthVm *vm, BerthSlot *slot, const GError *error)
{
  /* by somebody; or it runs though our call has failed */
  gboolean is_paused = slot->is_paused && (error != NULL || !slot->resumes);
  gboolean is_doubted = slot->is_doubted;

  slot->pause_number++;
  slot->is_waking = slot->resumes = slot->is_doubted = FALSE;
  berth_pauses_note (&slot->pauses, BERTH_PAUSES_CLAIMED);
  if (!is_paused)
    slot_set_paused (vm, slot, FALSE);
  berth_libvirt_emit (self, is_paused ? BERTH_HYPERVISOR_SUSPENDED : BERTH_HYPERVISOR_RESUMED, vm,
                      is_paused ? error : NULL);
  if (is_doubted)
    berth_libvirt_look_at_pause (self, vm, slot);
}

static void
woken_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BerthLibvirt) self = user_data;
  BerthMachine *machine = BERTH_MACHINE (source);
  BerthVm *vm = berth_machine_get_vm (machine);
  BerthSlot *slot = libvirt_find_slot (self, vm);
  g_autoptr (GError) error = NULL;

  berth_machine_pause_finish (machine, result, &error);
  if (slot != NULL)
    libvirt_end_wake (self, vm, slot, error);
}

/* One that could not be greeted */
typedef struct
{
  BerthLibvirt *self; /* owned */
  GError *error;      /* owned: why */
} Failure;

static void
asleep_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Failure *failure = user_data;
  g_autoptr (BerthLibvirt) self = failure->self;
  g_autoptr (GError) reason = failure->error;
  BerthMachine *machine = BERTH_MACHINE (source);
  BerthVm *vm = berth_machine_get_vm (machine);
  BerthSlot *slot = libvirt_find_slot (self, vm);
  g_autoptr (GError) error = NULL;

  /* it is found running when libvirt can be reached again */
  if (!berth_machine_pause_finish (machine, result, &error))
    g_warning ("%s", error->message);
  if (slot == NULL)
    return;
  slot_set_paused (vm, slot, TRUE);
  libvirt_end_wake (self, vm, slot, reason);
}

/* It stands still again until somebody tries anew: that a busy host, or libvirt, was in the way is
 * no reason to end what its owner keeps. */
static void
libvirt_fall_asleep (BerthLibvirt *self, BerthVm *vm, BerthSlot *slot, const GError *error)
{
  Failure *failure = g_new0 (Failure, 1);

  g_warning ("sandbox %s can't be woken, and is paused again: %s", berth_vm_get_id (vm),
             error->message);
  failure->self = g_object_ref (self);
  failure->error = g_error_copy (error);
  berth_machine_fall_asleep (slot->machine);
  berth_machine_pause_async (slot->machine, asleep_cb, failure);
}

/* Its guest has greeted for the first time since this berthd began. */
static void
adopted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BerthLibvirt) self = user_data;
  BerthMachine *machine = BERTH_MACHINE (source);
  BerthVm *vm = berth_machine_get_vm (machine);
  BerthSlot *slot = libvirt_find_slot (self, vm);
  g_autoptr (GError) error = NULL;
  gboolean has_answered = berth_machine_start_finish (machine, result, &error);

  if (slot == NULL)
    return;
  if (!has_answered)
    {
      libvirt_fall_asleep (self, vm, slot, error);
      return;
    }
  if (!berth_libvirt_check_proof (self, machine, &error))
    {
      slot->is_waking = FALSE;
      berth_libvirt_end_unasked (self, vm, slot, error->message);
      return;
    }
  if (berth_guest_is_frozen (berth_machine_get_agent (machine)))
    berth_machine_thaw (machine);
  berth_libvirt_watch_agent (self, slot);
  berth_machine_note_process (machine);
  libvirt_end_wake (self, vm, slot, NULL);
  berth_machine_set_clock (machine, FALSE); /* on a busy host its proof has told it too slowly */
}

void
berth_libvirt_wake (BerthLibvirt *self, BerthVm *vm)
{
  BerthSlot *slot = libvirt_find_slot (self, vm);

  if (slot == NULL)
    return;
  slot->pause_number++;
  if (berth_machine_is_asleep (slot->machine) && slot->is_waking)
    return; /* it is greeted, and what comes of that is told */
  slot->resumes = TRUE;
  if (berth_machine_is_asleep (slot->machine))
    {
      libvirt_greet (self, slot);
      return;
    }
  slot->is_waking = TRUE;
  berth_pauses_note (&slot->pauses, BERTH_PAUSES_CLAIM);
  berth_machine_wake_async (slot->machine, woken_cb, g_object_ref (self));
}
