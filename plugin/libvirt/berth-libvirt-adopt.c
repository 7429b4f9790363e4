/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of the VMs that an earlier life of berthd left: sessions are found again, warm VMs
 * are looked at and used, the rest is ended. There is no record of them but libvirt's. */
#include "berth-libvirt-private.h"

#include <string.h>

#include "berth-libvirt-error.h"
#include "pool/berth-error.h"
#include "pool/berth-request.h"
#include "pool/berth-sync.h"

static gint64
created_us (const BerthOwnDomain *domain)
{
  gint64 now_s = g_get_real_time () / G_USEC_PER_SEC;
  /* a mark is what somebody wrote into libvirt */
  gint64 age_s = now_s - CLAMP (domain->mark->created, 0, now_s);

  return g_get_monotonic_time () - age_s * G_USEC_PER_SEC;
}

/* What its interpreter speaks: a template may have been edited, or be gone. NULL: nobody knows. */
static const char *
language_of (BerthLibvirt *self, const BerthMark *mark)
{
  BerthTemplate *template = g_hash_table_lookup (self->templates, mark->template_name);

  if (mark->language != NULL || template == NULL)
    return mark->language;
  return berth_template_get_language (template);
}

static BerthShape
shape_of (const BerthOwnDomain *domain)
{
  return *BERTH_SHAPE (domain->mark->template_name, domain->memory_mb, domain->vcpus);
}

/* (transfer full): the VM of @domain, with its slot and machine */
static BerthVm *
libvirt_add_found (BerthLibvirt *self, const BerthOwnDomain *domain, const char *tenant_key,
                   BerthStartMode mode)
{
  const BerthMark *mark = domain->mark;
  const BerthShape shape = shape_of (domain);
  BerthVm *vm = berth_vm_new_adopted (mark->id, &shape, tenant_key, created_us (domain));
  BerthSlot *slot = berth_libvirt_add_slot (self, vm, mode);

  slot->ordinal = berth_places_get_ordinal (domain->name);
  slot->machine = berth_machine_new_adopted (vm, language_of (self, mark), self->connection,
                                             self->places, self->instance, domain);
  berth_machine_set_card_template (slot->machine,
                                   g_hash_table_lookup (self->templates, mark->template_name));
  return vm;
}

static void
ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  if (!berth_machine_end_finish (BERTH_MACHINE (source), result, &error))
    g_warning ("%s", error->message);
}

/* Ends what pool never hears of: the life that was looked at, as somebody may have restored another
 * one in its place since. */
static void
libvirt_end_found (BerthLibvirt *self, const BerthOwnDomain *domain, const char *reason)
{
  const BerthShape shape = shape_of (domain);
  g_autoptr (BerthVm) vm = berth_vm_new_adopted (domain->mark->id, &shape, NULL, 0);
  g_autoptr (BerthMachine) machine = berth_machine_new_adopted (
      vm, NULL, self->connection, self->places, self->instance, domain);

  g_message ("ending domain %s, which is no VM of this berthd: %s", domain->name, reason);
  berth_machine_end_async (machine, FALSE, ended_cb, NULL);
}

/* TRUE: it is not to be adopted. Either a machine has the domain already, whose own start hears of
 * it; or another's domain has its id, and of two copies of a session one can be found by that: the
 * other is ended, unless it comes when the first is on its way out. */
static gboolean
libvirt_has_session (BerthLibvirt *self, const BerthOwnDomain *domain)
{
  const BerthShape shape = shape_of (domain);
  g_autoptr (BerthVm) like = berth_vm_new_adopted (domain->mark->id, &shape, NULL, 0);
  GHashTableIter iter;
  BerthVm *vm;
  BerthSlot *slot;

  g_hash_table_iter_init (&iter, self->slots);
  while (g_hash_table_iter_next (&iter, (gpointer *)&vm, (gpointer *)&slot))
    {
      if (slot->machine != NULL
          && g_str_equal (berth_machine_get_uuid (slot->machine), domain->uuid))
        return TRUE;
      if (!g_str_equal (berth_vm_get_id (vm), berth_vm_get_id (like)))
        continue;
      if (berth_slot_is_ending (slot))
        berth_slot_set_next (slot, domain->uuid);
      else
        libvirt_end_found (self, domain, "another domain has its id");
      return TRUE;
    }
  return FALSE;
}

/* (transfer full): of those that are left in state @state */
static GPtrArray *
libvirt_steal_found (BerthLibvirt *self, const char *state)
{
  GPtrArray *found = g_ptr_array_new_with_free_func ((GDestroyNotify)berth_own_domain_free);

  for (guint i = 0; self->adoptable != NULL && i < self->adoptable->len;)
    {
      BerthOwnDomain *domain = g_ptr_array_index (self->adoptable, i);

      if (g_str_equal (domain->mark->state, state))
        g_ptr_array_add (found, g_ptr_array_steal_index (self->adoptable, i));
      else
        i++;
    }
  return found;
}

/* ---- sessions ---- */

typedef struct
{
  guint pending;
} Adoption;

/* Nothing is sent to its programs before its proof: it may be the copy of one that is or was there
 * (invariant 7). */
static gboolean
libvirt_take_up_session (BerthLibvirt *self, BerthVm *vm, BerthSlot *slot, GAsyncResult *result,
                         GError **error)
{
  if (!berth_machine_start_finish (slot->machine, result, error)
      || !berth_libvirt_check_proof (self, slot->machine, error))
    return FALSE;
  if (berth_guest_is_frozen (berth_machine_get_agent (slot->machine)))
    berth_machine_thaw (slot->machine); /* a copy was begun, or restored */
  berth_libvirt_start_ended (self, vm, NULL);
  berth_libvirt_note_pause (vm, slot, BERTH_PAUSES_UNSEEN);
  berth_libvirt_note_pause (vm, slot, BERTH_PAUSES_FOUND_RUNNING); /* it answers */
  berth_libvirt_log (vm, slot->machine, G_LOG_LEVEL_MESSAGE, BERTH_EVENT_SESSION_FOUND,
                     "found sandbox %s again: %s", berth_vm_get_id (vm),
                     berth_machine_get_name (slot->machine));
  return TRUE;
}

static void
session_adopted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthLibvirt *self = g_task_get_source_object (task);
  Adoption *adoption = g_task_get_task_data (task);
  BerthVm *vm = berth_machine_get_vm (BERTH_MACHINE (source));
  BerthSlot *slot = g_hash_table_lookup (self->slots, vm);
  g_autoptr (GError) error = NULL;

  if (!libvirt_take_up_session (self, vm, slot, result, &error))
    berth_libvirt_end_unasked (self, vm, slot, error->message);
  adoption->pending--;
  if (adoption->pending == 0)
    g_task_return_boolean (task, TRUE);
}

/* (transfer full) (nullable) */
static BerthRequest *
make_request (const BerthOwnDomain *domain)
{
  const BerthMark *mark = domain->mark;
  g_auto (GStrv) allow = mark->allow != NULL ? g_strsplit (mark->allow, " ", -1) : NULL;
  const BerthPurpose session = { .is_session = TRUE,
                                 .idle_timeout_ms = mark->idle_timeout_ms,
                                 .idle_pause_ms = mark->idle_pause_ms,
                                 .idle_hibernate_ms = mark->idle_hibernate_ms,
                                 .parent = mark->fork_of,
                                 .checkpoint = mark->checkpoint,
                                 .generation = mark->generation,
                                 .allow = (const char *const *)allow };
  const BerthShape shape = shape_of (domain);

  return berth_purpose_make_request (&session, &shape, mark->tenant, mark->task, mark->uid,
                                     BERTH_REQUEST_WAIT_FOREVER, NULL);
}

/* (transfer full) */
static BerthVm *
libvirt_add_session (BerthLibvirt *self, const BerthOwnDomain *domain)
{
  BerthVm *vm = libvirt_add_found (self, domain, NULL, BERTH_START_RUN);
  BerthSlot *slot = g_hash_table_lookup (self->slots, vm);

  slot->snapshot_key = g_strdup (domain->mark->snapshot);
  if (domain->stands_by)
    berth_machine_abandon_copy (slot->machine);
  return vm;
}

static void
libvirt_connect_session (BerthLibvirt *self, BerthVm *vm, GAsyncReadyCallback callback,
                         gpointer user_data)
{
  BerthSlot *slot = g_hash_table_lookup (self->slots, vm);

  berth_machine_adopt_async (slot->machine, BERTH_MACHINE_COLD, NULL, slot->cancellable, callback,
                             user_data);
}

/* It stays paused until somebody wants it, and its guest is greeted then. */
static void
libvirt_adopt_asleep (BerthLibvirt *self, BerthVm *vm)
{
  BerthSlot *slot = g_hash_table_lookup (self->slots, vm);

  slot->is_paused = TRUE;
  berth_machine_note_asleep (slot->machine);
  berth_libvirt_start_ended (self, vm, NULL);
  berth_libvirt_note_pause (vm, slot, BERTH_PAUSES_FOUND_PAUSED);
  berth_libvirt_log (vm, slot->machine, G_LOG_LEVEL_MESSAGE, BERTH_EVENT_SESSION_FOUND,
                     "found sandbox %s again, paused: %s", berth_vm_get_id (vm),
                     berth_machine_get_name (slot->machine));
  berth_libvirt_look_at_pause (self, vm, slot); /* it may have been resumed since it was listed */
}

static void
libvirt_adopt_session (BerthLibvirt *self, const BerthOwnDomain *domain, BerthHostFoundFunc func,
                       gpointer func_data, GTask *task)
{
  Adoption *adoption = g_task_get_task_data (task);
  g_autoptr (BerthRequest) request = make_request (domain);
  g_autoptr (BerthVm) vm = NULL;

  if (libvirt_has_session (self, domain))
    return;
  if (request == NULL || language_of (self, domain->mark) == NULL)
    {
      libvirt_end_found (self, domain, "its template or its mark can't be used");
      return;
    }
  vm = libvirt_add_session (self, domain);
  /* one that stands still for a copy goes on */
  func (vm, request, domain->is_paused && !domain->stands_by, func_data);
  if (domain->is_paused && !domain->stands_by)
    {
      libvirt_adopt_asleep (self, vm);
      return;
    }
  adoption->pending++;
  libvirt_connect_session (self, vm, session_adopted_cb, g_object_ref (task));
}

/* A berthd that dies while a session changes its VM leaves two. */
static int
compare_generations (gconstpointer a, gconstpointer b)
{
  const BerthOwnDomain *first = *(BerthOwnDomain *const *)a;
  const BerthOwnDomain *second = *(BerthOwnDomain *const *)b;

  return (first->mark->generation < second->mark->generation)
         - (first->mark->generation > second->mark->generation);
}

void
berth_libvirt_adopt_sessions (BerthHost *host, BerthHostFoundFunc func, gpointer func_data,
                              GTask *task)
{
  g_autoptr (GTask) owned = task;
  BerthLibvirt *self = BERTH_LIBVIRT (host);
  g_autoptr (GPtrArray) found = libvirt_steal_found (self, BERTH_MARK_STATE_SESSION);
  Adoption *adoption = g_new0 (Adoption, 1);

  g_task_set_task_data (task, adoption, g_free);
  berth_libvirt_adopt_counted (self, func, func_data);
  g_ptr_array_sort (found, compare_generations);
  for (guint i = 0; i < found->len; i++)
    libvirt_adopt_session (self, g_ptr_array_index (found, i), func, func_data, task);
  if (adoption->pending == 0)
    g_task_return_boolean (task, TRUE);
}

/* ---- sessions that come back ---- */

static void
returned_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BerthLibvirt) self = user_data;
  BerthMachine *machine = BERTH_MACHINE (source);
  BerthVm *vm = berth_machine_get_vm (machine);
  BerthSlot *slot = g_hash_table_lookup (self->slots, vm);
  g_autoptr (BerthRequest) request = berth_vm_dup_request (vm);
  g_autoptr (GError) error = NULL;

  if (!libvirt_take_up_session (self, vm, slot, result, &error))
    berth_libvirt_end_unasked (self, vm, slot, error->message);
  else if (self->watch.session_returned != NULL)
    self->watch.session_returned (vm, request, FALSE, self->watch_data);
}

void
berth_libvirt_take_back (BerthLibvirt *self, BerthOwnDomain *domain)
{
  g_autoptr (BerthOwnDomain) owned = domain;
  g_autoptr (BerthRequest) request = NULL;
  g_autoptr (BerthVm) vm = NULL;
  gboolean is_paused = domain->is_paused && !domain->stands_by;

  if (self->watch.session_returns == NULL)
    {
      g_ptr_array_add (self->early, g_strdup (domain->uuid));
      return;
    }
  if (libvirt_has_session (self, domain))
    return;
  if (g_str_equal (domain->mark->state, BERTH_MARK_STATE_PLACE))
    {
      libvirt_end_found (self, domain, "it is the place of VMs that berth alone starts");
      return;
    }
  request
      = g_str_equal (domain->mark->state, BERTH_MARK_STATE_SESSION) ? make_request (domain) : NULL;
  if (request == NULL || language_of (self, domain->mark) == NULL)
    {
      libvirt_end_found (self, domain, "its template or its mark can't be used");
      return;
    }
  vm = libvirt_add_session (self, domain);
  self->watch.session_returns (vm, request, is_paused, self->watch_data);
  if (!is_paused)
    {
      libvirt_connect_session (self, vm, returned_cb, g_object_ref (self));
      return;
    }
  libvirt_adopt_asleep (self, vm);
  if (self->watch.session_returned != NULL)
    self->watch.session_returned (vm, request, TRUE, self->watch_data);
}

static void
look_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthLibvirt *self = source;
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_CONTROL, NULL);
  BerthOwnDomain *domain = connection != NULL && berth_domain_is_active (connection, task_data)
                               ? berth_domain_find_own (connection, self->instance, task_data)
                               : NULL;

  if (domain != NULL)
    BERTH_SYNC_RELEASE (domain);
  g_task_return_pointer (task, domain, (GDestroyNotify)berth_own_domain_free);
}

static void
looked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthOwnDomain *domain = g_task_propagate_pointer (G_TASK (result), NULL);

  if (domain == NULL)
    return;
  BERTH_SYNC_ACQUIRE (domain);
  berth_libvirt_take_back (BERTH_LIBVIRT (source), domain);
}

void
berth_libvirt_look_for_session (BerthLibvirt *self, const char *uuid)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, looked_cb, NULL);

  g_task_set_task_data (task, g_strdup (uuid), g_free);
  berth_connection_run (self->connection, BERTH_CONNECTION_CONTROL, task, look_job);
}

/* ---- warm VMs ---- */

static void
warm_adopted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BerthLibvirt) self = user_data;
  BerthMachine *machine = BERTH_MACHINE (source);
  g_autoptr (GError) error = NULL;

  if (berth_machine_start_finish (machine, result, &error))
    g_message ("%s stands by again", berth_machine_get_name (machine));
  berth_libvirt_start_ended (self, berth_machine_get_vm (machine), error);
}

static void
libvirt_adopt_warm (BerthLibvirt *self, const BerthOwnDomain *domain, BerthHostFoundFunc func,
                    gpointer func_data)
{
  const char *name = berth_snapshot_stock_find_key (self->stock, domain->mark->snapshot);
  g_autofree char *tenant_key = NULL;
  g_autofree char *template_name
      = name != NULL ? berth_snapshot_split_name (name, &tenant_key) : NULL;
  g_autoptr (BerthVm) vm = NULL;
  BerthSlot *slot;

  if (g_strcmp0 (template_name, domain->mark->template_name) != 0)
    {
      libvirt_end_found (self, domain, "its snapshot does not hold any more");
      return;
    }
  vm = libvirt_add_found (self, domain, tenant_key, BERTH_START_WARM);
  slot = g_hash_table_lookup (self->slots, vm);
  func (vm, NULL, FALSE, func_data);
  berth_machine_adopt_async (slot->machine, BERTH_MACHINE_WARM,
                             berth_snapshot_stock_get (self->stock, name), slot->cancellable,
                             warm_adopted_cb, g_object_ref (self));
}

void
berth_libvirt_adopt_warm (BerthHost *host, BerthHostFoundFunc func, gpointer user_data)
{
  BerthLibvirt *self = BERTH_LIBVIRT (host);
  g_autoptr (GPtrArray) found = libvirt_steal_found (self, BERTH_MARK_STATE_WARM);

  for (guint i = 0; i < found->len; i++)
    libvirt_adopt_warm (self, g_ptr_array_index (found, i), func, user_data);
  for (guint i = 0; i < self->early->len; i++)
    berth_libvirt_look_for_session (self, g_ptr_array_index (self->early, i));
  g_ptr_array_set_size (self->early, 0);
}
