/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pool's hypervisor, made of libvirt: which machines there are, and what becomes of each. */
#include "berth-libvirt.h"

#include "berth-domain.h"
#include "berth-libvirt-error.h"

/* A name that an administrator's own domain has is passed over; this many in a row are no accident. */
#define NAMES_MAX 4096u

/* Where a machine stands between pool's calls and libvirt's answers. */
typedef enum
{
  PHASE_STARTING, /* its start is under way */
  PHASE_UP,       /* told as started */
  PHASE_DOWN,     /* its start failed, or it stopped: waits for its end */
  PHASE_ENDING,   /* its end is under way */
} Phase;

typedef struct
{
  BerthMachine *machine; /* NULL when there never was one */
  Phase phase;
  guint ordinal;
  GCancellable *cancellable;
  gboolean is_end_wanted; /* pool asked while the start was under way */
  GError *end_reason;     /* why it ended unasked; NULL: pool asked */
} Slot;

struct _BerthLibvirt
{
  GObject parent;
  BerthLink *link;
  char *instance;
  char *name_prefix;
  char *image_dir;
  BerthImages *images;
  GHashTable *templates; /* name -> BerthTemplate */
  GHashTable *slots;     /* BerthVm (owned) -> Slot (owned) */
  BerthLibvirtStateFunc state_func;
  gpointer state_data;

  GMutex event_lock;
  BerthHypervisorEventFunc event_func;
  gpointer event_data;
};

static void berth_libvirt_hypervisor_init (BerthHypervisorInterface *iface);
static void libvirt_end (BerthLibvirt *self, BerthVm *vm, Slot *slot);
static void libvirt_start (BerthLibvirt *self, BerthVm *vm);

G_DEFINE_FINAL_TYPE_WITH_CODE (BerthLibvirt, berth_libvirt, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BERTH_TYPE_HYPERVISOR,
                                                      berth_libvirt_hypervisor_init))

static void
slot_free (Slot *slot)
{
  g_clear_object (&slot->machine);
  g_clear_object (&slot->cancellable);
  g_clear_error (&slot->end_reason);
  g_free (slot);
}

static void
berth_libvirt_finalize (GObject *object)
{
  BerthLibvirt *self = BERTH_LIBVIRT (object);

  berth_link_close (self->link);
  g_object_unref (self->link);
  g_free (self->instance);
  g_free (self->name_prefix);
  g_free (self->image_dir);
  g_clear_pointer (&self->images, berth_images_unref);
  g_hash_table_unref (self->templates);
  g_hash_table_unref (self->slots);
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
  self->slots = g_hash_table_new_full (NULL, NULL, g_object_unref, (GDestroyNotify) slot_free);
}

static void
libvirt_emit (BerthLibvirt *self, BerthHypervisorEventType type, BerthVm *vm, const GError *error)
{
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new (&self->event_lock);

  if (self->event_func != NULL)
    self->event_func (type, vm, error, self->event_data);
}

/* The smallest number from @from on that no other machine of this template has. */
static guint
libvirt_next_ordinal (BerthLibvirt *self, BerthVm *vm, guint from)
{
  GHashTableIter iter;
  BerthVm *other;
  Slot *slot;
  gboolean is_taken = TRUE;
  guint ordinal = from;

  while (is_taken)
    {
      is_taken = FALSE;
      g_hash_table_iter_init (&iter, self->slots);
      while (!is_taken && g_hash_table_iter_next (&iter, (gpointer *) &other, (gpointer *) &slot))
        is_taken = other != vm && slot->ordinal == ordinal
                   && g_strcmp0 (berth_vm_get_template (other), berth_vm_get_template (vm)) == 0;
      if (is_taken)
        ordinal++;
    }
  return ordinal;
}

static void
libvirt_gone (BerthLibvirt *self, BerthVm *vm)
{
  g_autoptr(BerthVm) held = g_object_ref (vm);
  Slot *slot = g_hash_table_lookup (self->slots, vm);
  g_autoptr(GError) reason = g_steal_pointer (&slot->end_reason);

  g_hash_table_remove (self->slots, vm);
  libvirt_emit (self, BERTH_HYPERVISOR_GONE, held, reason);
}

static void
ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr(BerthLibvirt) self = user_data;
  BerthMachine *machine = BERTH_MACHINE (source);
  BerthVm *vm = berth_machine_get_vm (machine);
  Slot *slot = g_hash_table_lookup (self->slots, vm);
  g_autoptr(GError) error = NULL;

  if (berth_machine_end_finish (machine, result, &error))
    {
      libvirt_gone (self, vm);
      return;
    }
  slot->phase = PHASE_DOWN;
  g_warning ("%s", error->message);
  libvirt_emit (self, BERTH_HYPERVISOR_STUCK, vm, error);
}

static void
libvirt_end (BerthLibvirt *self, BerthVm *vm, Slot *slot)
{
  if (slot->machine == NULL)
    {
      libvirt_gone (self, vm);
      return;
    }
  slot->phase = PHASE_ENDING;
  berth_machine_end_async (slot->machine, ended_cb, g_object_ref (self));
}

/* A machine that is up ended by itself, or can't be used any more. */
static void
libvirt_ended_unasked (BerthLibvirt *self, BerthVm *vm, Slot *slot, const char *reason)
{
  slot->end_reason = g_error_new (BERTH_ERROR, BERTH_ERROR_GONE, "%s: %s",
                                  berth_machine_get_name (slot->machine), reason);
  libvirt_end (self, vm, slot);
}

static void
agent_closed_cb (BerthAgent *agent, const GError *error, gpointer user_data)
{
  BerthMachine *machine = user_data;
  BerthVm *vm = berth_machine_get_vm (machine);
  BerthLibvirt *self = g_object_get_data (G_OBJECT (machine), "berth-libvirt");
  Slot *slot = g_hash_table_lookup (self->slots, vm);
  g_autofree char *reason = g_strdup_printf ("its agent is lost (%s)", error->message);

  if (slot != NULL && slot->phase == PHASE_UP)
    libvirt_ended_unasked (self, vm, slot, reason);
}

static void
libvirt_start_failed (BerthLibvirt *self, BerthVm *vm, Slot *slot, const GError *error)
{
  slot->phase = PHASE_DOWN;
  if (slot->is_end_wanted)
    libvirt_end (self, vm, slot);
  else
    libvirt_emit (self, BERTH_HYPERVISOR_FAILED, vm, error);
}

static void
started_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr(BerthLibvirt) self = user_data;
  BerthMachine *machine = BERTH_MACHINE (source);
  BerthVm *vm = berth_machine_get_vm (machine);
  Slot *slot = g_hash_table_lookup (self->slots, vm);
  g_autoptr(GError) error = NULL;

  if (!berth_machine_start_finish (machine, result, &error))
    {
      if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_EXISTS) && !slot->is_end_wanted
          && slot->ordinal < NAMES_MAX)
        {
          /* somebody else's domain: not ours to touch, so this one gets the next name */
          g_clear_object (&slot->machine);
          slot->ordinal++;
          libvirt_start (self, vm);
          return;
        }
      libvirt_start_failed (self, vm, slot, error);
      return;
    }
  if (slot->is_end_wanted)
    {
      libvirt_end (self, vm, slot);
      return;
    }
  slot->phase = PHASE_UP;
  g_object_set_data (G_OBJECT (machine), "berth-libvirt", self);
  berth_agent_set_closed_func (berth_machine_get_agent (machine), agent_closed_cb, machine);
  libvirt_emit (self, BERTH_HYPERVISOR_STARTED, vm, NULL);
}

/* The image may have been built again under a running berthd. */
static BerthImages *
libvirt_get_images (BerthLibvirt *self, GError **error)
{
  if (self->images != NULL && berth_images_is_current (self->images))
    return self->images;
  g_clear_pointer (&self->images, berth_images_unref);
  self->images = berth_images_load (self->image_dir, error);
  return self->images;
}

static void
libvirt_start (BerthLibvirt *self, BerthVm *vm)
{
  Slot *slot = g_hash_table_lookup (self->slots, vm);
  BerthTemplate *template = g_hash_table_lookup (self->templates, berth_vm_get_template (vm));
  g_autoptr(GError) error = NULL;
  BerthImages *images = libvirt_get_images (self, &error);
  g_autofree char *name = NULL;

  if (template == NULL)
    {
      g_clear_error (&error);
      g_set_error (&error, BERTH_ERROR, BERTH_ERROR_INVALID, "there is no template %s",
                   berth_vm_get_template (vm));
    }
  if (template == NULL || images == NULL)
    {
      libvirt_start_failed (self, vm, slot, error);
      return;
    }
  slot->ordinal = libvirt_next_ordinal (self, vm, slot->ordinal);
  name = g_strdup_printf ("%s-%s-%u", self->name_prefix, berth_vm_get_template (vm),
                          slot->ordinal);
  slot->machine = berth_machine_new (vm, template, self->link, self->instance, name);
  berth_machine_start_async (slot->machine, BERTH_MACHINE_COLD, images, NULL, slot->cancellable, started_cb,
                             g_object_ref (self));
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

static void
start_on_main (BerthLibvirt *self, BerthVm *vm)
{
  Slot *slot = g_new0 (Slot, 1);

  slot->phase = PHASE_STARTING;
  slot->cancellable = g_cancellable_new ();
  slot->ordinal = 1;
  g_hash_table_insert (self->slots, g_object_ref (vm), slot);
  libvirt_start (self, vm);
}

static void
destroy_on_main (BerthLibvirt *self, BerthVm *vm)
{
  Slot *slot = g_hash_table_lookup (self->slots, vm);

  if (slot == NULL)
    {
      libvirt_emit (self, BERTH_HYPERVISOR_GONE, vm, NULL);
      return;
    }
  switch (slot->phase)
    {
    case PHASE_STARTING:
      slot->is_end_wanted = TRUE;
      g_cancellable_cancel (slot->cancellable);
      break;
    case PHASE_UP:
    case PHASE_DOWN:
      libvirt_end (self, vm, slot);
      break;
    case PHASE_ENDING:
      break; /* its end will be told */
    }
}

static void
hypervisor_set_event_func (BerthHypervisor *hypervisor, BerthHypervisorEventFunc func,
                           gpointer user_data)
{
  BerthLibvirt *self = BERTH_LIBVIRT (hypervisor);
  g_autoptr(GMutexLocker) locker = g_mutex_locker_new (&self->event_lock);

  self->event_func = func;
  self->event_data = user_data;
}

static void
hypervisor_start (BerthHypervisor *hypervisor, BerthVm *vm, BerthStartMode mode)
{
  call_on_main (hypervisor, vm, start_on_main);
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
  iface->destroy = hypervisor_destroy;
}

/* ---- what libvirt tells ---- */

static void
stopped_cb (const char *uuid, const char *reason, gpointer user_data)
{
  BerthLibvirt *self = user_data;
  GHashTableIter iter;
  BerthVm *vm;
  Slot *slot;

  g_hash_table_iter_init (&iter, self->slots);
  while (g_hash_table_iter_next (&iter, (gpointer *) &vm, (gpointer *) &slot))
    {
      if (slot->machine == NULL || g_strcmp0 (berth_machine_get_uuid (slot->machine), uuid) != 0)
        continue;
      /* while it starts or ends, the step under way finds out by itself */
      if (slot->phase == PHASE_UP)
        libvirt_ended_unasked (self, vm, slot, reason);
      return;
    }
}

/* The domains that are running though no machine of ours has them, and the machines that believe to
 * be up though their domain is not. */
typedef struct
{
  char *instance;
  GHashTable *known; /* uuid (owned) -> "1" when it is believed to be up */
  GPtrArray *dead;   /* uuid (owned) of those that are not */
} Reconcile;

static void
reconcile_free (Reconcile *reconcile)
{
  g_free (reconcile->instance);
  g_hash_table_unref (reconcile->known);
  g_ptr_array_unref (reconcile->dead);
  g_free (reconcile);
}

static gboolean
end_orphans (virConnectPtr connection, Reconcile *reconcile, GError **error)
{
  g_autoptr(GPtrArray) own = berth_domain_list_own (connection, reconcile->instance, error);

  if (own == NULL)
    return FALSE;
  for (guint i = 0; i < own->len; i++)
    {
      const char *uuid = g_ptr_array_index (own, i);

      if (g_hash_table_contains (reconcile->known, uuid))
        continue;
      g_message ("ending domain %s, left behind by an earlier berthd", uuid);
      if (!berth_domain_end (connection, uuid, error))
        return FALSE;
    }
  return TRUE;
}

static void
reconcile_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthLibvirt *self = source;
  Reconcile *reconcile = task_data;
  g_autoptr(GError) error = NULL;
  g_auto(virConnectPtr) connection
      = berth_link_ref_connection (self->link, BERTH_LINK_CONTROL, &error);
  GHashTableIter iter;
  const char *uuid;
  gpointer is_up;

  if (connection == NULL || !end_orphans (connection, reconcile, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  g_hash_table_iter_init (&iter, reconcile->known);
  while (g_hash_table_iter_next (&iter, (gpointer *) &uuid, &is_up))
    if (is_up != NULL && !berth_domain_is_active (connection, uuid))
      g_ptr_array_add (reconcile->dead, g_strdup (uuid));
  g_task_return_boolean (task, TRUE);
}

static void
libvirt_reconcile_async (BerthLibvirt *self, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr(GTask) task = g_task_new (self, NULL, callback, user_data);
  Reconcile *reconcile = g_new0 (Reconcile, 1);
  GHashTableIter iter;
  Slot *slot;

  reconcile->instance = g_strdup (self->instance);
  reconcile->known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  reconcile->dead = g_ptr_array_new_with_free_func (g_free);
  g_hash_table_iter_init (&iter, self->slots);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &slot))
    if (slot->machine != NULL)
      g_hash_table_insert (reconcile->known, g_strdup (berth_machine_get_uuid (slot->machine)),
                           GINT_TO_POINTER (slot->phase == PHASE_UP));
  g_task_set_task_data (task, reconcile, (GDestroyNotify) reconcile_free);
  berth_link_run (self->link, BERTH_LINK_CONTROL, task, reconcile_job);
}

static void
reconciled_again_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthLibvirt *self = BERTH_LIBVIRT (source);
  Reconcile *reconcile = g_task_get_task_data (G_TASK (result));
  g_autoptr(GError) error = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      /* the link is lost again (its own retry follows), or libvirt can't list: either way the gate
       * stays shut until the next time that the link comes up */
      g_warning ("can't compare with libvirt: %s", error->message);
      return;
    }
  for (guint i = 0; i < reconcile->dead->len; i++)
    stopped_cb (g_ptr_array_index (reconcile->dead, i), "it ended while libvirt was away", self);
  if (self->state_func != NULL)
    self->state_func (TRUE, self->state_data);
}

static void
link_state_cb (gboolean is_up, gpointer user_data)
{
  BerthLibvirt *self = user_data;

  if (is_up)
    libvirt_reconcile_async (self, reconciled_again_cb, NULL);
  else if (self->state_func != NULL)
    self->state_func (FALSE, self->state_data);
}

/* ---- opening and closing ---- */

BerthLibvirt *
berth_libvirt_new (const char *uri, const char *instance, const char *name_prefix,
                   const char *image_dir, GHashTable *templates)
{
  BerthLibvirt *self = g_object_new (BERTH_TYPE_LIBVIRT, NULL);

  self->link = berth_link_new (uri);
  self->instance = g_strdup (instance);
  self->name_prefix = g_strdup (name_prefix);
  self->image_dir = g_strdup (image_dir);
  self->templates = g_hash_table_ref (templates);
  berth_link_set_funcs (self->link, stopped_cb, link_state_cb, self);
  return self;
}

void
berth_libvirt_set_state_func (BerthLibvirt *self, BerthLibvirtStateFunc func, gpointer user_data)
{
  self->state_func = func;
  self->state_data = user_data;
}

static void
reconciled_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr(GTask) task = user_data;
  g_autoptr(GError) error = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    g_task_return_error (task, g_steal_pointer (&error));
  else
    g_task_return_boolean (task, TRUE);
}

static void
linked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr(GTask) task = user_data;
  BerthLibvirt *self = g_task_get_source_object (task);
  g_autoptr(GError) error = NULL;

  if (!berth_link_open_finish (BERTH_LINK (source), result, &error))
    g_task_return_error (task, g_steal_pointer (&error));
  else
    libvirt_reconcile_async (self, reconciled_cb, g_steal_pointer (&task));
}

void
berth_libvirt_open_async (BerthLibvirt *self, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr(GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr(GError) error = NULL;

  g_task_set_source_tag (task, berth_libvirt_open_async);
  if (libvirt_get_images (self, &error) == NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else
    berth_link_open_async (self->link, cancellable, linked_cb, g_steal_pointer (&task));
}

gboolean
berth_libvirt_open_finish (BerthLibvirt *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
berth_libvirt_close (BerthLibvirt *self)
{
  self->state_func = NULL;
  berth_link_close (self->link);
}

BerthTemplate *
berth_libvirt_get_template (BerthLibvirt *self, const char *name)
{
  return g_hash_table_lookup (self->templates, name);
}

BerthMachine *
berth_libvirt_get_machine (BerthLibvirt *self, BerthVm *vm)
{
  Slot *slot = g_hash_table_lookup (self->slots, vm);

  return slot != NULL && slot->phase == PHASE_UP ? slot->machine : NULL;
}

const char *
berth_libvirt_get_domain_name (BerthLibvirt *self, BerthVm *vm)
{
  Slot *slot = g_hash_table_lookup (self->slots, vm);

  return slot != NULL && slot->machine != NULL ? berth_machine_get_name (slot->machine) : NULL;
}

GVariant *
berth_libvirt_get_status (BerthLibvirt *self)
{
  unsigned long version = berth_link_get_libvirt_version (self->link);
  g_autofree char *text = g_strdup_printf ("%lu.%lu.%lu", version / 1000000,
                                           version / 1000 % 1000, version % 1000);
  const char *uri = berth_link_get_uri (self->link);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "uri", "s", uri != NULL ? uri : "");
  g_variant_dict_insert (&dict, "connected", "b", berth_link_is_up (self->link));
  g_variant_dict_insert (&dict, "version", "s", text);
  return g_variant_dict_end (&dict);
}
