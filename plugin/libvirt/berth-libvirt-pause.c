/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What pool hears of VMs that stand still: what libvirt tells is the truth, whoever did it. */
#include "berth-libvirt-private.h"

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

void
berth_libvirt_tell_paused (BerthLibvirt *self, BerthVm *vm, BerthSlot *slot, gboolean is_paused)
{
  g_autoptr (BerthRequest) request = berth_vm_dup_request (vm);
  gboolean is_ours = slot->resumes;

  if (!is_paused)
    slot->resumes = FALSE;
  if (request == NULL || (is_ours && is_paused))
    return;
  slot_set_paused (vm, slot, is_paused);
  /* a wake of ours is over when the clock is right, too, and tells it then */
  if (is_paused || (!is_ours && !slot->is_waking))
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

/* That it was paused is libvirt's to tell, before or after this. */
static void
paused_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BerthLibvirt) self = user_data;
  BerthMachine *machine = BERTH_MACHINE (source);
  BerthVm *vm = berth_machine_get_vm (machine);
  g_autoptr (GError) error = NULL;

  if (!berth_machine_pause_finish (machine, result, &error) && libvirt_find_slot (self, vm) != NULL)
    berth_libvirt_emit (self, BERTH_HYPERVISOR_RESUMED, vm, error);
}

void
berth_libvirt_pause (BerthLibvirt *self, BerthVm *vm)
{
  BerthSlot *slot = libvirt_find_slot (self, vm);

  if (slot != NULL)
    berth_machine_pause_async (slot->machine, paused_cb, g_object_ref (self));
}

static void
libvirt_end_wake (BerthLibvirt *self, BerthVm *vm, BerthSlot *slot, const GError *error)
{
  gboolean is_paused_again = slot->is_paused && !slot->resumes; /* by somebody: pool has heard */

  slot->is_waking = FALSE;
  slot->resumes = FALSE;
  berth_pauses_note (&slot->pauses, BERTH_PAUSES_CLAIMED);
  if (error == NULL && is_paused_again)
    return;
  if (error == NULL)
    slot_set_paused (vm, slot, FALSE);
  berth_libvirt_emit (self, error == NULL ? BERTH_HYPERVISOR_RESUMED : BERTH_HYPERVISOR_SUSPENDED,
                      vm, error);
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

/* Its guest has greeted for the first time since this berthd began. */
static void
adopted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BerthLibvirt) self = user_data;
  BerthMachine *machine = BERTH_MACHINE (source);
  BerthVm *vm = berth_machine_get_vm (machine);
  BerthSlot *slot = libvirt_find_slot (self, vm);
  g_autoptr (GError) error = NULL;
  gboolean ok = berth_machine_start_finish (machine, result, &error)
                && berth_libvirt_check_proof (self, machine, &error);

  if (slot == NULL)
    return;
  if (!ok)
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
  slot->is_waking = TRUE;
  slot->resumes = TRUE;
  berth_pauses_note (&slot->pauses, BERTH_PAUSES_CLAIM);
  if (berth_machine_get_agent (slot->machine) != NULL)
    berth_machine_wake_async (slot->machine, woken_cb, g_object_ref (self));
  else
    berth_machine_adopt_async (slot->machine, BERTH_MACHINE_COLD, NULL, slot->cancellable,
                               adopted_cb, g_object_ref (self));
}
