/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pool's hypervisor, made of libvirt: which machines there are, and what becomes of each. */
#include "berth-libvirt-private.h"

#include <unistd.h>

#include "berth-libvirt-error.h"
#include "pool/berth-request.h"
#include "pool/berth-vm-private.h"

/* A name that an administrator's own domain has is passed over; this many in a row are no
 * accident. */
#define NAMES_MAX 4096u

static void berth_libvirt_hypervisor_init (BerthHypervisorInterface *iface);
static BerthPhase
slot_fire (BerthLibvirt *self, BerthVm *vm, BerthSlot *slot, BerthPhaseEvent event);
static void libvirt_start (BerthLibvirt *self, BerthVm *vm);

G_DEFINE_FINAL_TYPE_WITH_CODE (BerthLibvirt, berth_libvirt, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BERTH_TYPE_HYPERVISOR,
                                                      berth_libvirt_hypervisor_init)
                                   G_IMPLEMENT_INTERFACE (BERTH_TYPE_HOST, berth_libvirt_host_init))

static void
slot_free (BerthSlot *slot)
{
  g_clear_object (&slot->machine);
  g_clear_object (&slot->cancellable);
  g_clear_error (&slot->end_reason);
  g_free (slot->snapshot_key);
  g_free (slot->next_uuid);
  g_free (slot);
}

gboolean
berth_slot_is_ending (const BerthSlot *slot)
{
  return slot->phase == BERTH_PHASE_DOWN || slot->phase == BERTH_PHASE_ENDING;
}

void
berth_slot_set_next (BerthSlot *slot, const char *uuid)
{
  g_free (slot->next_uuid);
  slot->next_uuid = g_strdup (uuid);
}

static void
recording_free (BerthRecording *recording)
{
  berth_snapshot_unref (recording->snapshot);
  berth_images_unref (recording->images);
  g_free (recording);
}

static void
berth_libvirt_finalize (GObject *object)
{
  BerthLibvirt *self = BERTH_LIBVIRT (object);

  g_clear_handle_id (&self->look_id, g_source_remove);
  g_clear_handle_id (&self->counted_look_id, g_source_remove);
  g_clear_handle_id (&self->compare_id, g_source_remove);
  berth_connection_close (self->connection);
  g_object_unref (self->connection);
  g_free (self->instance);
  g_free (self->name_prefix);
  berth_places_unref (self->places);
  g_free (self->image_dir);
  g_clear_pointer (&self->images, berth_images_unref);
  g_clear_pointer (&self->templates, g_hash_table_unref);
  g_hash_table_unref (self->slots);
  g_hash_table_unref (self->counted);
  g_clear_pointer (&self->found_counted, g_ptr_array_unref);
  g_hash_table_unref (self->recordings);
  g_hash_table_unref (self->bases);
  berth_snapshot_stock_free (self->stock);
  g_clear_pointer (&self->adoptable, g_ptr_array_unref);
  g_ptr_array_unref (self->early);
  g_mutex_clear (&self->event_lock);
  G_OBJECT_CLASS (berth_libvirt_parent_class)->finalize (object);
}

static void
berth_libvirt_class_init (BerthLibvirtClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = berth_libvirt_finalize;
}

static void
berth_libvirt_init (BerthLibvirt *self)
{
  g_mutex_init (&self->event_lock);
  self->slots = g_hash_table_new_full (NULL, NULL, g_object_unref, (GDestroyNotify)slot_free);
  self->counted = g_hash_table_new_full (NULL, NULL, g_object_unref, g_free);
  self->stock = berth_snapshot_stock_new ();
  self->early = g_ptr_array_new_with_free_func (g_free);
  self->bases = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                       (GDestroyNotify)berth_snapshot_unref);
  self->recordings
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)recording_free);
}

void
berth_libvirt_emit (BerthLibvirt *self, BerthHypervisorEventType type, BerthVm *vm,
                    const GError *error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->event_lock);

  if (self->event_func != NULL)
    self->event_func (type, vm, error, self->event_data);
}

/* (transfer full): the first name from @slot's number on whose place nobody has. */
static char *
libvirt_make_name (BerthLibvirt *self, BerthVm *vm, BerthSlot *slot)
{
  char *name = NULL;

  for (guint ordinal = slot->ordinal; name == NULL; ordinal++)
    {
      slot->ordinal = ordinal;
      name = g_strdup_printf ("%s-%s-%u", self->name_prefix, berth_vm_get_template (vm), ordinal);
      if (berth_places_is_taken (self->places, name))
        g_clear_pointer (&name, g_free);
    }
  return name;
}

static void
libvirt_gone (BerthLibvirt *self, BerthVm *vm)
{
  g_autoptr (BerthVm) held = g_object_ref (vm);
  BerthSlot *slot = g_hash_table_lookup (self->slots, vm);
  g_autoptr (GError) reason = g_steal_pointer (&slot->end_reason);
  g_autofree char *next_uuid = g_steal_pointer (&slot->next_uuid);

  g_hash_table_remove (self->slots, vm);
  berth_libvirt_emit (self, BERTH_HYPERVISOR_GONE, held, reason);
  if (next_uuid != NULL)
    berth_libvirt_look_for_session (self, next_uuid);
}

void
berth_libvirt_log (BerthVm *vm, BerthMachine *machine, GLogLevelFlags level, const char *message_id,
                   const char *format, ...)
{
  g_autoptr (BerthRequest) request = berth_vm_dup_request (vm);
  g_autofree char *text = NULL;
  va_list arguments;
  const BerthEventSubject subject = {
    .template_name = berth_vm_get_template (vm),
    .domain = machine != NULL ? berth_machine_get_name (machine) : NULL,
    .domain_uuid = machine != NULL ? berth_machine_get_uuid (machine) : NULL,
    .sandbox = request != NULL ? berth_vm_get_id (vm) : NULL,
    .uid = request != NULL ? &request->uid : NULL,
    .tenant = request != NULL ? request->tenant : NULL,
    .task = request != NULL ? request->task : NULL,
  };

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  berth_event_log (level, message_id, &subject, "%s", text);
}

/* It comes back, so its owner is told what to wait for. */
static void
slot_note_saved (BerthSlot *slot)
{
  g_clear_error (&slot->end_reason);
  slot->end_reason = g_error_new (BERTH_ERROR, BERTH_ERROR_GONE,
                                  "%s: the administrator has saved it; once it is restored "
                                  "(virsh restore) it is there again",
                                  berth_machine_get_name (slot->machine));
}

static void
ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BerthLibvirt) self = user_data;
  BerthMachine *machine = BERTH_MACHINE (source);
  BerthVm *vm = berth_machine_get_vm (machine);
  BerthSlot *slot = g_hash_table_lookup (self->slots, vm);
  g_autoptr (GError) error = NULL;

  if (berth_machine_end_finish (machine, result, &error))
    {
      BerthDomainEnding ending = berth_machine_get_ending (machine);

      if (berth_machine_is_stray (machine))
        berth_libvirt_trim_places (self);
      if (slot->end_reason != NULL && ending != BERTH_DOMAIN_ENDED)
        slot_note_saved (slot);
      if (slot->end_reason != NULL)
        berth_places_rest (self->places, berth_machine_get_name (machine));
      if (ending == BERTH_DOMAIN_RETURNED)
        berth_slot_set_next (slot, berth_machine_get_uuid (machine));
      libvirt_gone (self, vm);
      return;
    }
  slot_fire (self, vm, slot, BERTH_PHASE_FAILED);
  berth_libvirt_log (vm, machine, G_LOG_LEVEL_WARNING, BERTH_EVENT_VM_STUCK, "%s", error->message);
  berth_libvirt_emit (self, BERTH_HYPERVISOR_STUCK, vm, error);
}

/* The only function that changes a slot's phase. Returns the one that it is in now; @slot may be
 * gone with it. */
static BerthPhase
slot_fire (BerthLibvirt *self, BerthVm *vm, BerthSlot *slot, BerthPhaseEvent event)
{
  BerthPhase phase = slot->phase;

  if (!berth_phase_next (phase, event, &phase))
    return phase;
  slot->phase = phase;
  if (phase == BERTH_PHASE_UNWANTED)
    g_cancellable_cancel (slot->cancellable);
  else if (phase == BERTH_PHASE_ENDING && slot->machine == NULL)
    libvirt_gone (self, vm); /* there never was one */
  else if (phase == BERTH_PHASE_ENDING)
    /* its owner's wish is for all of it, the end of one life for that alone */
    berth_machine_end_async (slot->machine, slot->end_reason == NULL, ended_cb,
                             g_object_ref (self));
  return phase;
}

void
berth_libvirt_end_unasked (BerthLibvirt *self, BerthVm *vm, BerthSlot *slot, const char *reason)
{
  g_autoptr (BerthRequest) request = berth_vm_dup_request (vm);

  slot->end_reason = g_error_new (BERTH_ERROR, BERTH_ERROR_GONE, "%s: %s",
                                  berth_machine_get_name (slot->machine), reason);
  if (request != NULL)
    berth_libvirt_log (vm, slot->machine, G_LOG_LEVEL_MESSAGE, BERTH_EVENT_VM_LOST, "%s",
                       slot->end_reason->message);
  if (slot_fire (self, vm, slot, BERTH_PHASE_FAILED) == BERTH_PHASE_DOWN)
    slot_fire (self, vm, slot, BERTH_PHASE_END);
}

static void
agent_closed_cb (BerthGuest *agent, const GError *error, gpointer user_data)
{
  BerthMachine *machine = user_data;
  BerthVm *vm = berth_machine_get_vm (machine);
  BerthLibvirt *self = g_object_get_data (G_OBJECT (machine), "berth-libvirt");
  BerthSlot *slot = g_hash_table_lookup (self->slots, vm);
  g_autofree char *reason = g_strdup_printf ("its agent is lost (%s)", error->message);

  if (slot != NULL && slot->phase == BERTH_PHASE_UP)
    berth_libvirt_end_unasked (self, vm, slot, reason);
}

static void
libvirt_start_failed (BerthLibvirt *self, BerthVm *vm, BerthSlot *slot, const GError *error)
{
  if (slot_fire (self, vm, slot, BERTH_PHASE_FAILED) == BERTH_PHASE_DOWN)
    berth_libvirt_emit (self, BERTH_HYPERVISOR_FAILED, vm, error);
}

gboolean
berth_libvirt_check_proof (BerthLibvirt *self, BerthMachine *machine, GError **error)
{
  if (berth_snapshot_stock_check_proof (self->stock, berth_machine_get_proof (machine),
                                        BERTH_MACHINE_PROOF_SIZE))
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
               "%s: its random numbers are another VM's: it is not used",
               berth_machine_get_name (machine));
  return FALSE;
}

/* (transfer full): of the snapshot that a VM for this one, or for its request, is cloned from */
static char *
libvirt_make_snapshot_name (BerthLibvirt *self, BerthVm *vm)
{
  g_autoptr (BerthRequest) request = berth_vm_dup_request (vm);
  const char *tenant_key = NULL;

  if (self->has_tenant_snapshots)
    tenant_key = request != NULL ? request->tenant_key : berth_vm_get_tenant_key (vm);
  return berth_snapshot_make_name (berth_vm_get_template (vm), tenant_key);
}

/* A start that ended says something of the snapshot that it was made of. */
static void
libvirt_note_clone (BerthLibvirt *self, BerthMachine *machine, const GError *error)
{
  BerthMachineStart how = berth_machine_get_start (machine);
  g_autofree char *name = libvirt_make_snapshot_name (self, berth_machine_get_vm (machine));
  g_autofree char *reason = NULL;

  if ((how != BERTH_MACHINE_CLONE && how != BERTH_MACHINE_WARM)
      || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (error != NULL)
    g_message ("a clone of %s failed, its next VM boots: %s", name, error->message);
  if (berth_snapshot_stock_note_clone (self->stock, name, berth_machine_get_snapshot (machine),
                                       error == NULL))
    return;
  reason = g_strdup_printf ("its clones do not start: %s", error->message);
  berth_libvirt_tell_spoilt (self, name, reason);
}

/* Somebody else's domain has the name: it is not ours to touch, so this one gets the next. Or
 * somebody has let the place's own run, which nobody may but we: that is looked at. */
static gboolean
libvirt_start_under_next_name (BerthLibvirt *self, BerthVm *vm, BerthSlot *slot,
                               const GError *error)
{
  g_autofree char *uuid = NULL;

  if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_EXISTS))
    return FALSE;
  if (slot->phase == BERTH_PHASE_UNWANTED || slot->ordinal >= NAMES_MAX)
    {
      berth_slot_set_next (slot, berth_machine_get_uuid (slot->machine));
      return FALSE;
    }
  uuid = g_strdup (berth_machine_get_uuid (slot->machine));
  g_clear_object (&slot->machine);
  berth_libvirt_look_for_session (self, uuid);
  slot->ordinal++;
  libvirt_start (self, vm);
  return TRUE;
}

static gboolean
machine_has_identity (BerthMachine *machine)
{
  BerthMachineStart how = berth_machine_get_start (machine);

  return how == BERTH_MACHINE_COLD || how == BERTH_MACHINE_CLONE || how == BERTH_MACHINE_CHILD;
}

/* Its programs go on behind its start, and not before: their numbers would be those of another
 * copy. */
static gboolean
check_child (BerthMachine *machine, GError **error)
{
  if (berth_machine_get_start (machine) == BERTH_MACHINE_CHILD
      && !berth_guest_is_frozen (berth_machine_get_agent (machine)))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INTERNAL,
                   "%s: its programs ran before it had numbers of its own: it is not used",
                   berth_machine_get_name (machine));
      return FALSE;
    }
  return TRUE;
}

static void
started_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BerthLibvirt) self = user_data;
  BerthMachine *machine = BERTH_MACHINE (source);
  BerthVm *vm = berth_machine_get_vm (machine);
  BerthSlot *slot = g_hash_table_lookup (self->slots, vm);
  g_autoptr (GError) error = NULL;
  gboolean ok
      = berth_machine_start_finish (machine, result, &error)
        && (!machine_has_identity (machine) || berth_libvirt_check_proof (self, machine, &error))
        && check_child (machine, &error);

  if (!ok && libvirt_start_under_next_name (self, vm, slot, error))
    return;
  libvirt_note_clone (self, machine, error);
  if (ok && berth_machine_get_start (machine) == BERTH_MACHINE_CHILD)
    berth_libvirt_thaw (self, machine);
  else
    berth_libvirt_start_ended (self, vm, error);
}

void
berth_libvirt_watch_agent (BerthLibvirt *self, BerthSlot *slot)
{
  BerthGuest *agent = berth_machine_get_agent (slot->machine);

  g_object_set_data (G_OBJECT (slot->machine), "berth-libvirt", self);
  if (agent != NULL) /* one that was found paused has none before it is woken */
    berth_guest_set_closed_func (agent, agent_closed_cb, slot->machine);
}

void
berth_libvirt_start_ended (BerthLibvirt *self, BerthVm *vm, const GError *error)
{
  BerthSlot *slot = g_hash_table_lookup (self->slots, vm);

  if (error != NULL)
    libvirt_start_failed (self, vm, slot, error);
  else if (slot_fire (self, vm, slot, BERTH_PHASE_STARTED) == BERTH_PHASE_UP)
    {
      berth_libvirt_watch_agent (self, slot);
      berth_machine_note_owned (slot->machine);
      berth_machine_note_process (slot->machine);
      berth_libvirt_emit (self, BERTH_HYPERVISOR_STARTED, vm, NULL);
    }
}

BerthImages *
berth_libvirt_get_images (BerthLibvirt *self, GError **error)
{
  if (self->images != NULL && berth_images_is_current (self->images))
    return self->images;
  g_clear_pointer (&self->images, berth_images_unref);
  self->images = berth_images_load (self->image_dir, error);
  return self->images;
}

/* ---- how a machine is started ---- */

/* (nullable): what to clone @vm from; NULL: boot it. @name: of the snapshot */
static BerthSnapshot *
libvirt_pick_snapshot (BerthLibvirt *self, BerthVm *vm, BerthTemplate *template, const char *name,
                       BerthImages *images)
{
  const BerthShape shape = berth_template_get_shape (template);
  g_autoptr (GError) reason = NULL;
  BerthSnapshot *snapshot;

  if (!berth_shape_equal (berth_vm_get_shape (vm), &shape))
    return NULL; /* only the template's own size has a snapshot */
  snapshot = berth_snapshot_stock_pick (self->stock, name, images, &reason);
  if (reason != NULL)
    {
      berth_libvirt_tell_spoilt (self, name, reason->message);
      berth_libvirt_check_clones (self);
    }
  return snapshot;
}

typedef struct
{
  BerthMachineStart how;
  BerthSnapshot *snapshot; /* borrowed */
  int state_fd;            /* owned; of a child */
} StartPlan;

/* (nullable): borrowed; the one that is being made under @name */
static BerthSnapshot *
libvirt_get_recording (BerthLibvirt *self, const char *name, GError **error)
{
  BerthRecording *recording = g_hash_table_lookup (self->recordings, name);
  const char *domain_type = berth_connection_get_domain_type (self->connection);

  if (recording == NULL)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INTERNAL, "no snapshot of %s is being made", name);
  else if (!g_str_equal (recording->domain_type, domain_type))
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                 "KVM was given up since the snapshot of %s was begun: it is begun again", name);
  else
    return recording->snapshot;
  return NULL;
}

static gboolean
libvirt_plan_start (BerthLibvirt *self, BerthVm *vm, BerthTemplate *template, BerthImages *images,
                    StartPlan *out_plan, GError **error)
{
  g_autofree char *name = libvirt_make_snapshot_name (self, vm);
  g_autoptr (BerthRequest) request = berth_vm_dup_request (vm);
  const BerthPurpose *purpose = berth_purpose_of (request);
  BerthSlot *slot = g_hash_table_lookup (self->slots, vm);
  gboolean boots;

  if (purpose->snapshot_name != NULL)
    {
      out_plan->how = BERTH_MACHINE_RECORD;
      out_plan->snapshot = libvirt_get_recording (self, purpose->snapshot_name, error);
      return out_plan->snapshot != NULL;
    }
  if (purpose->fork != NULL)
    {
      out_plan->how = BERTH_MACHINE_CHILD;
      out_plan->snapshot = berth_libvirt_get_fork (purpose->fork, &out_plan->state_fd, error);
      return out_plan->snapshot != NULL;
    }
  boots = slot->mode == BERTH_START_RUN
          && (purpose->is_cold || berth_snapshot_stock_take_doubt (self->stock, name));
  out_plan->snapshot = boots ? NULL : libvirt_pick_snapshot (self, vm, template, name, images);
  if (slot->mode == BERTH_START_WARM && out_plan->snapshot == NULL)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE, "there is no snapshot of %s yet",
                   name);
      return FALSE;
    }
  out_plan->how = slot->mode == BERTH_START_WARM ? BERTH_MACHINE_WARM
                  : out_plan->snapshot != NULL   ? BERTH_MACHINE_CLONE
                                                 : BERTH_MACHINE_COLD;
  return TRUE;
}

static void
libvirt_start (BerthLibvirt *self, BerthVm *vm)
{
  BerthSlot *slot = g_hash_table_lookup (self->slots, vm);
  BerthTemplate *template = g_hash_table_lookup (self->templates, berth_vm_get_template (vm));
  g_autoptr (GError) error = NULL;
  BerthImages *images = NULL;
  StartPlan plan = { 0 };
  g_autofree char *name = NULL;
  g_autoptr (BerthRequest) request = berth_vm_dup_request (vm);
  BerthFork *fork = berth_purpose_of (request)->fork;

  if (fork != NULL && !berth_libvirt_await_fork (self, vm, fork, &error))
    {
      if (error != NULL)
        libvirt_start_failed (self, vm, slot, error);
      return;
    }
  if (template == NULL)
    g_set_error (&error, BERTH_ERROR, BERTH_ERROR_INVALID, "there is no template %s",
                 berth_vm_get_template (vm));
  else
    images = berth_libvirt_get_images (self, &error);
  if (images == NULL || !libvirt_plan_start (self, vm, template, images, &plan, &error))
    {
      libvirt_start_failed (self, vm, slot, error);
      return;
    }
  name = libvirt_make_name (self, vm, slot);
  slot->machine
      = berth_machine_new (vm, template, self->connection, self->places, self->instance, name);
  if (plan.how == BERTH_MACHINE_CHILD)
    berth_machine_set_state (slot->machine, plan.state_fd);
  if (plan.how == BERTH_MACHINE_CHILD && berth_fork_take_sole (fork))
    slot->is_sole = TRUE;
  if (slot->is_sole) /* also under the next name: nothing has begun under the one before */
    berth_machine_set_sole (slot->machine);
  berth_machine_start_async (slot->machine, plan.how, images, plan.snapshot, slot->cancellable,
                             started_cb, g_object_ref (self));
}

void
berth_libvirt_start_again (BerthLibvirt *self, BerthVm *vm, const GError *error)
{
  BerthSlot *slot = g_hash_table_lookup (self->slots, vm);

  if (error != NULL || slot->phase == BERTH_PHASE_UNWANTED)
    libvirt_start_failed (self, vm, slot, error);
  else
    libvirt_start (self, vm);
}

/* ---- claim ---- */

static void
claimed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BerthLibvirt) self = user_data;
  BerthMachine *machine = BERTH_MACHINE (source);
  BerthVm *vm = berth_machine_get_vm (machine);
  BerthSlot *slot = g_hash_table_lookup (self->slots, vm);
  g_autoptr (GError) error = NULL;
  gboolean ok = berth_machine_claim_finish (machine, result, &error)
                && berth_libvirt_check_proof (self, machine, &error);

  if (slot == NULL || slot->phase != BERTH_PHASE_UP)
    return; /* its end is what is told */
  berth_pauses_note (&slot->pauses, BERTH_PAUSES_CLAIMED);
  slot->resumes = FALSE;
  if (!ok)
    slot_fire (self, vm, slot, BERTH_PHASE_FAILED);
  berth_libvirt_emit (self, ok ? BERTH_HYPERVISOR_CLAIMED : BERTH_HYPERVISOR_FAILED, vm, error);
}

static void
claim_on_main (BerthLibvirt *self, BerthVm *vm)
{
  BerthSlot *slot = g_hash_table_lookup (self->slots, vm);
  g_autoptr (GError) error = NULL;

  if (slot == NULL || slot->phase != BERTH_PHASE_UP)
    return; /* GONE is on its way */
  if (!berth_snapshot_is_intact (berth_machine_get_snapshot (slot->machine), &error))
    {
      g_autofree char *name = libvirt_make_snapshot_name (self, vm);

      berth_snapshot_stock_set (self->stock, name, NULL, NULL);
      berth_libvirt_tell_spoilt (self, name, error->message);
      slot_fire (self, vm, slot, BERTH_PHASE_FAILED);
      berth_libvirt_emit (self, BERTH_HYPERVISOR_FAILED, vm, error);
      berth_libvirt_check_clones (self);
      return;
    }
  berth_pauses_note (&slot->pauses, BERTH_PAUSES_CLAIM);
  slot->resumes = TRUE;
  berth_machine_claim_async (slot->machine, slot->cancellable, claimed_cb, g_object_ref (self));
}

/* ---- pool's calls, brought from its thread to ours ---- */

typedef struct
{
  BerthLibvirt *self;
  BerthVm *vm;
  void (*func) (BerthLibvirt *self, BerthVm *vm);
} Call;

static gboolean
call_cb (gpointer user_data)
{
  Call *call = user_data;

  call->func (call->self, call->vm);
  return G_SOURCE_REMOVE;
}

static void
call_free (gpointer user_data)
{
  Call *call = user_data;

  g_object_unref (call->self);
  g_object_unref (call->vm);
  g_free (call);
}

static void
call_on_main (BerthHypervisor *hypervisor, BerthVm *vm,
              void (*func) (BerthLibvirt *self, BerthVm *vm))
{
  Call *call = g_new0 (Call, 1);

  call->self = g_object_ref (BERTH_LIBVIRT (hypervisor));
  call->vm = g_object_ref (vm);
  call->func = func;
  g_idle_add_full (G_PRIORITY_DEFAULT, call_cb, call, call_free);
}

BerthSlot *
berth_libvirt_add_slot (BerthLibvirt *self, BerthVm *vm, BerthStartMode mode)
{
  BerthSlot *slot = g_new0 (BerthSlot, 1);

  slot->phase = BERTH_PHASE_STARTING;
  slot->mode = mode;
  slot->cancellable = g_cancellable_new ();
  slot->ordinal = 1;
  g_hash_table_insert (self->slots, g_object_ref (vm), slot);
  return slot;
}

static void
start_in_mode (BerthLibvirt *self, BerthVm *vm, BerthStartMode mode)
{
  if (berth_libvirt_start_counted (self, vm))
    return;
  berth_libvirt_add_slot (self, vm, mode);
  libvirt_start (self, vm);
}

static void
start_run_on_main (BerthLibvirt *self, BerthVm *vm)
{
  start_in_mode (self, vm, BERTH_START_RUN);
}

static void
start_warm_on_main (BerthLibvirt *self, BerthVm *vm)
{
  start_in_mode (self, vm, BERTH_START_WARM);
}

static void
destroy_on_main (BerthLibvirt *self, BerthVm *vm)
{
  BerthSlot *slot = g_hash_table_lookup (self->slots, vm);

  if (berth_libvirt_end_counted (self, vm))
    return;
  if (slot == NULL)
    {
      berth_libvirt_emit (self, BERTH_HYPERVISOR_GONE, vm, NULL);
      return;
    }
  slot_fire (self, vm, slot, BERTH_PHASE_END);
}

static void
hypervisor_set_event_func (BerthHypervisor *hypervisor, BerthHypervisorEventFunc func,
                           gpointer user_data)
{
  BerthLibvirt *self = BERTH_LIBVIRT (hypervisor);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->event_lock);

  self->event_func = func;
  self->event_data = user_data;
}

static void
hypervisor_start (BerthHypervisor *hypervisor, BerthVm *vm, BerthStartMode mode)
{
  call_on_main (hypervisor, vm, mode == BERTH_START_WARM ? start_warm_on_main : start_run_on_main);
}

static void
hypervisor_claim (BerthHypervisor *hypervisor, BerthVm *vm)
{
  call_on_main (hypervisor, vm, claim_on_main);
}

static void
hypervisor_pause (BerthHypervisor *hypervisor, BerthVm *vm)
{
  call_on_main (hypervisor, vm, berth_libvirt_pause);
}

static void
hypervisor_wake (BerthHypervisor *hypervisor, BerthVm *vm)
{
  call_on_main (hypervisor, vm, berth_libvirt_wake);
}

static void
hypervisor_destroy (BerthHypervisor *hypervisor, BerthVm *vm)
{
  call_on_main (hypervisor, vm, destroy_on_main);
}

static void
berth_libvirt_hypervisor_init (BerthHypervisorInterface *iface)
{
  iface->set_event_func = hypervisor_set_event_func;
  iface->start = hypervisor_start;
  iface->claim = hypervisor_claim;
  iface->pause = hypervisor_pause;
  iface->wake = hypervisor_wake;
  iface->destroy = hypervisor_destroy;
}

/* ---- what it is made of ---- */

/* Hosts, and users of one, have domains of the same names. */
static BerthPlaces *
places_new (const char *instance)
{
  g_autofree char *machine_id = NULL;
  g_autofree char *host = NULL;

  g_file_get_contents ("/etc/machine-id", &machine_id, NULL, NULL);
  host = g_strdup_printf ("%s %u", machine_id != NULL ? g_strchomp (machine_id) : "", getuid ());
  return berth_places_new (host, instance);
}

BerthLibvirt *
berth_libvirt_new (const char *uri, const char *virt_type, const char *instance,
                   const char *name_prefix, const char *image_dir)
{
  BerthLibvirt *self = g_object_new (BERTH_TYPE_LIBVIRT, NULL);

  self->connection = berth_connection_new (uri, virt_type);
  self->instance = g_strdup (instance);
  self->name_prefix = g_strdup (name_prefix);
  self->places = places_new (instance);
  self->image_dir = g_strdup (image_dir);
  berth_libvirt_listen (self);
  return self;
}

BerthHost *
berth_host_new (const BerthConfig *config)
{
  BerthLibvirt *self = berth_libvirt_new (config->uri, config->virt_type, config->instance,
                                          config->name_prefix, config->image_dir);
  g_autofree char *hook_socket = berth_config_dup_default_socket ();

  self->counts_domains = g_str_equal (config->socket, hook_socket);
  return BERTH_HOST (self);
}

BerthMachine *
berth_libvirt_get_machine (BerthLibvirt *self, BerthVm *vm)
{
  BerthSlot *slot = g_hash_table_lookup (self->slots, vm);

  return slot != NULL && slot->phase == BERTH_PHASE_UP ? slot->machine : NULL;
}
