/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connection to libvirtd: a few long-lived connections, kept alive, opened again when they are
 * lost, and the domain events that come over them. */
#include "berth-connection.h"

#include <libvirt-glib/libvirt-glib.h>

#include "berth-capabilities.h"
#include "berth-libvirt-error.h"
#include "berth-lives.h"
#include "berth-virt-type.h"
#include "plugin/base/berth-workers.h"
#include "plugin/base/berth-event.h"
#include "pool/berth-sync.h"

/* From here on a clone can open the snapshot's RAM file for reading alone (design.md). */
#define QEMU_WITH_ROM_OFF 8002000ul
/* libvirtd's own defaults (libvirtd.conf, keepalive_interval and keepalive_count) */
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT 5
#define RETRY_MIN_MS 200u
#define RETRY_MAX_MS 5000u
/* An idle libvirtd lets one in within 0.1 s; one with all its clients never does, and says nothing.
 */
#define OPEN_SLOW_S 5u

/* How guests are run here, and what of a domain follows from that. */
typedef struct
{
  const char *domain_type;
  char *kvm_problem;
  char *dac_label;
  char **unwanted_features;
} Around;

static void
around_clear (Around *around)
{
  g_clear_pointer (&around->kvm_problem, g_free);
  g_clear_pointer (&around->dac_label, g_free);
  g_clear_pointer (&around->unwanted_features, g_strfreev);
}

static void
around_free (Around *around)
{
  around_clear (around);
  g_free (around);
}

struct _BerthConnection
{
  GObject parent;
  char *wanted_uri;             /* NULL: to be found out */
  const char *wanted_virt_type; /* static; NULL likewise */
  BerthWorkers *workers[BERTH_CONNECTION_ROLES];
  BerthWorkers *opener;
  BerthLives *lives; /* main thread */
  BerthConnectionStartedFunc started_func;
  BerthConnectionStoppedFunc stopped_func;
  BerthConnectionPausedFunc paused_func;
  BerthConnectionStateFunc state_func;
  gpointer user_data;

  char *given_up_kvm; /* (nullable): why; main thread */

  GMutex lock; /* of the next nine: worker threads read them */
  virConnectPtr connections[BERTH_CONNECTION_ROLES];
  char *uri;
  unsigned long version;
  unsigned long qemu_version;
  Around around;
  gboolean kvm_runs; /* a guest's kernel has, under it */
  BerthConnectionLimits limits;
  GHashTable *shapes; /* owned strings: validated since the connection was opened */
  gboolean is_up;

  int event_id;
  guint retry_ms;
  guint retry_id;
  guint slow_id;
  gboolean is_closed;
};

G_DEFINE_FINAL_TYPE (BerthConnection, berth_connection, G_TYPE_OBJECT)

static void link_lost_cb (virConnectPtr connection, int reason, void *user_data);
static void link_open (BerthConnection *self, GTask *task);

static void
drop_connections (virConnectPtr connections[BERTH_CONNECTION_ROLES])
{
  for (guint i = 0; i < BERTH_CONNECTION_ROLES; i++)
    if (connections[i] != NULL)
      {
        virConnectUnregisterCloseCallback (connections[i], link_lost_cb);
        g_clear_pointer (&connections[i], virConnectClose);
      }
}

static void
berth_connection_finalize (GObject *object)
{
  BerthConnection *self = BERTH_CONNECTION (object);

  g_assert (self->is_closed);
  g_free (self->wanted_uri);
  g_free (self->uri);
  g_free (self->given_up_kvm);
  berth_lives_free (self->lives);
  around_clear (&self->around);
  g_hash_table_unref (self->shapes);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (berth_connection_parent_class)->finalize (object);
}

static void
berth_connection_class_init (BerthConnectionClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = berth_connection_finalize;
}

static void
berth_connection_init (BerthConnection *self)
{
  g_mutex_init (&self->lock);
  self->shapes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->event_id = -1;
  self->retry_ms = RETRY_MIN_MS;
  for (guint i = 0; i < BERTH_CONNECTION_ROLES; i++)
    self->workers[i] = berth_workers_new (BERTH_CONNECTION_THREADS);
  self->opener = berth_workers_new (1);
  self->lives = berth_lives_new ();
}

BerthConnection *
berth_connection_new (const char *uri, const char *virt_type)
{
  static gsize is_registered = 0;
  BerthConnection *self;

  if (g_once_init_enter (&is_registered))
    {
      berth_libvirt_error_silence ();
      /* before the first open, once, for the whole life of the process: libvirt's rule */
      gvir_event_register ();
      g_once_init_leave (&is_registered, 1);
    }
  self = g_object_new (BERTH_TYPE_CONNECTION, NULL);
  self->wanted_uri = g_strdup (uri);
  self->wanted_virt_type = g_intern_string (virt_type);
  return self;
}

void
berth_connection_set_funcs (BerthConnection *self, BerthConnectionStartedFunc started,
                            BerthConnectionStoppedFunc stopped, BerthConnectionPausedFunc paused,
                            BerthConnectionStateFunc state, gpointer user_data)
{
  self->started_func = started;
  self->stopped_func = stopped;
  self->paused_func = paused;
  self->state_func = state;
  self->user_data = user_data;
}

/* What the openers bring home. */
typedef struct
{
  virConnectPtr connections[BERTH_CONNECTION_ROLES];
  char *uri;
  unsigned long version;
  unsigned long qemu_version;
  Around around;
} Opened;

static void
opened_free (Opened *opened)
{
  drop_connections (opened->connections);
  g_free (opened->uri);
  around_clear (&opened->around);
  g_free (opened);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Opened, opened_free)

/* Asked once for each time that the connection is opened: the answers take 10 ms, 0.2 s where KVM
 * is tried. */
static void
around_look (Around *around, virConnectPtr connection, const char *wanted_virt_type)
{
  g_autofree char *capabilities = virConnectGetCapabilities (connection);

  around->domain_type = wanted_virt_type;
  if (around->domain_type == NULL)
    around->domain_type = berth_virt_type_choose (connection, &around->kvm_problem);
  if (capabilities != NULL)
    around->dac_label = berth_capabilities_dup_dac_label (capabilities, around->domain_type);
  else
    berth_libvirt_error_take_code (); /* the test driver of some versions has none */
  around->unwanted_features = berth_virt_type_dup_unwanted (connection, around->domain_type);
}

static Opened *
open_uri (const char *uri, const char *virt_type, GError **error)
{
  g_autoptr (Opened) opened = g_new0 (Opened, 1);

  for (guint i = 0; i < BERTH_CONNECTION_ROLES; i++)
    {
      g_autofree char *doing = g_strdup_printf ("can't connect to libvirt at %s", uri);

      opened->connections[i] = virConnectOpen (uri);
      if (opened->connections[i] == NULL)
        {
          berth_libvirt_error_set (error, BERTH_ERROR_UNAVAILABLE, doing);
          return NULL;
        }
      /* the test driver knows no keepalive; it can't be lost either */
      if (virConnectSetKeepAlive (opened->connections[i], KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT)
          != 0)
        berth_libvirt_error_take_code ();
    }
  if (virConnectGetLibVersion (opened->connections[0], &opened->version) < 0
      || virConnectGetVersion (opened->connections[0], &opened->qemu_version) < 0)
    {
      berth_libvirt_error_set (error, BERTH_ERROR_UNAVAILABLE, "can't read libvirt's version");
      return NULL;
    }
  opened->uri = g_strdup (uri);
  around_look (&opened->around, opened->connections[BERTH_CONNECTION_CONTROL], virt_type);
  return g_steal_pointer (&opened);
}

/* (nullable): the one to open; NULL: whichever answers */
static const char *
link_get_next_uri (BerthConnection *self)
{
  return self->uri != NULL ? self->uri : self->wanted_uri;
}

/* (nullable): static */
static const char *
link_get_wanted_virt_type (BerthConnection *self)
{
  return self->given_up_kvm != NULL ? "qemu" : self->wanted_virt_type;
}

static void
open_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthConnection *self = source;
  const char *uri = link_get_next_uri (self);
  const char *virt_type = task_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) system_error = NULL;
  Opened *opened;

  if (uri != NULL)
    opened = open_uri (uri, virt_type, &error);
  else
    {
      opened = open_uri ("qemu:///system", virt_type, &system_error);
      if (opened == NULL)
        opened = open_uri ("qemu:///session", virt_type, &error);
      if (opened == NULL)
        g_prefix_error (&error, "%s; ", system_error->message);
    }
  if (opened != NULL)
    {
      BERTH_SYNC_RELEASE (opened);
      g_task_return_pointer (task, opened, (GDestroyNotify)opened_free);
    }
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static const char *
stopped_reason (int detail)
{
  switch (detail)
    {
    case VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN:
      return "it shut down";
    case VIR_DOMAIN_EVENT_STOPPED_DESTROYED:
      return "it was destroyed";
    case VIR_DOMAIN_EVENT_STOPPED_CRASHED:
      return "it crashed";
    case VIR_DOMAIN_EVENT_STOPPED_MIGRATED:
      return "it was migrated away";
    case VIR_DOMAIN_EVENT_STOPPED_SAVED:
      return "it was saved";
    case VIR_DOMAIN_EVENT_STOPPED_FAILED:
      return "its QEMU process failed";
    default:
      return "it stopped";
    }
}

static int
lifecycle_cb (virConnectPtr connection, virDomainPtr domain, int event, int detail, void *user_data)
{
  BerthConnection *self = user_data;
  gboolean is_end = event == VIR_DOMAIN_EVENT_STOPPED;
  gboolean is_pause = event == VIR_DOMAIN_EVENT_SUSPENDED || event == VIR_DOMAIN_EVENT_RESUMED;
  char uuid[VIR_UUID_STRING_BUFLEN];
  guint life;

  if ((!is_end && !is_pause && event != VIR_DOMAIN_EVENT_STARTED)
      || virDomainGetUUIDString (domain, uuid) != 0)
    return 0;
  life = is_end ? berth_lives_note_end (self->lives, uuid, virDomainGetID (domain))
                : berth_lives_note (self->lives, uuid, virDomainGetID (domain));
  if (is_end && self->stopped_func != NULL)
    self->stopped_func (uuid, life, stopped_reason (detail), self->user_data);
  else if (is_pause && self->paused_func != NULL)
    self->paused_func (uuid, life, event == VIR_DOMAIN_EVENT_SUSPENDED, self->user_data);
  else if (event == VIR_DOMAIN_EVENT_STARTED && self->started_func != NULL)
    self->started_func (uuid, self->user_data);
  return 0;
}

/* Under the lock. */
static void
link_take_around (BerthConnection *self, Around *around)
{
  const Around nothing = { 0 };

  around_clear (&self->around);
  self->around = *around;
  *around = nothing;
  if (self->given_up_kvm != NULL && self->around.kvm_problem == NULL)
    self->around.kvm_problem = g_strdup (self->given_up_kvm);
}

static void
link_publish (BerthConnection *self, Opened *opened)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  for (guint i = 0; i < BERTH_CONNECTION_ROLES; i++)
    self->connections[i] = g_steal_pointer (&opened->connections[i]);
  g_free (self->uri);
  self->uri = g_steal_pointer (&opened->uri);
  self->version = opened->version;
  self->qemu_version = opened->qemu_version;
  g_hash_table_remove_all (self->shapes); /* it may be another version now */
  self->limits = BERTH_CONNECTION_LIMITS_NONE;
  link_take_around (self, &opened->around);
  self->is_up = TRUE;
}

/* Takes what was opened into use: events and loss first, so that nothing is missed. */
static gboolean
link_adopt (BerthConnection *self, Opened *opened, GError **error)
{
  for (guint i = 0; i < BERTH_CONNECTION_ROLES; i++)
    if (virConnectRegisterCloseCallback (opened->connections[i], link_lost_cb, self, NULL) < 0)
      berth_libvirt_error_take_code (); /* the test driver can't be lost */
  berth_lives_clear (self->lives);
  self->event_id = virConnectDomainEventRegisterAny (
      opened->connections[BERTH_CONNECTION_CONTROL], NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
      VIR_DOMAIN_EVENT_CALLBACK (lifecycle_cb), self, NULL);
  if (self->event_id < 0)
    {
      berth_libvirt_error_set (error, BERTH_ERROR_UNAVAILABLE, "can't listen to domain events");
      return FALSE;
    }

  link_publish (self, opened);
  self->retry_ms = RETRY_MIN_MS;
  return TRUE;
}

static void
opened_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthConnection *self = BERTH_CONNECTION (source);
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (Opened) opened = g_task_propagate_pointer (G_TASK (result), &error);

  g_clear_handle_id (&self->slow_id, g_source_remove);
  if (opened != NULL)
    BERTH_SYNC_ACQUIRE (opened);
  if (self->is_closed)
    g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_SHUTTING_DOWN, "berth is stopping");
  else if (opened == NULL || !link_adopt (self, opened, &error))
    g_task_return_error (task, g_steal_pointer (&error));
  else
    g_task_return_boolean (task, TRUE);
}

static gboolean
slow_cb (gpointer user_data)
{
  BerthConnection *self = user_data;
  const char *uri = link_get_next_uri (self);

  self->slow_id = 0;
  g_warning ("libvirt at %s does not answer: it hangs, or has as many clients as it takes "
             "(max_clients in libvirtd.conf); waiting for it",
             uri != NULL ? uri : "qemu:///system");
  return G_SOURCE_REMOVE;
}

static void
link_open (BerthConnection *self, GTask *task)
{
  g_autoptr (GTask) job = g_task_new (self, NULL, opened_cb, g_object_ref (task));

  g_clear_handle_id (&self->slow_id, g_source_remove);
  self->slow_id = g_timeout_add_seconds (OPEN_SLOW_S, slow_cb, self);
  g_task_set_task_data (job, (gpointer)link_get_wanted_virt_type (self), NULL);
  berth_workers_run (self->opener, job, open_job);
}

static gboolean retry_cb (gpointer user_data);

static void
link_retry_later (BerthConnection *self)
{
  if (self->is_closed || self->retry_id != 0)
    return;
  self->retry_id = g_timeout_add (self->retry_ms, retry_cb, self);
  self->retry_ms = MIN (self->retry_ms * 2, RETRY_MAX_MS);
}

static void
reopened_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthConnection *self = BERTH_CONNECTION (source);
  g_autoptr (GError) error = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      g_debug ("still no libvirt: %s", error->message);
      link_retry_later (self);
      return;
    }
  berth_event_log (G_LOG_LEVEL_MESSAGE, BERTH_EVENT_LIBVIRT_BACK, NULL,
                   "connected to libvirt again at %s", self->uri);
  if (self->state_func != NULL)
    self->state_func (TRUE, self->user_data);
}

static gboolean
retry_cb (gpointer user_data)
{
  BerthConnection *self = user_data;
  g_autoptr (GTask) task = g_task_new (self, NULL, reopened_cb, NULL);

  self->retry_id = 0;
  link_open (self, task);
  return G_SOURCE_REMOVE;
}

/* What was the link: nobody's any more, still to be closed. */
typedef struct
{
  virConnectPtr connections[BERTH_CONNECTION_ROLES];
  int event_id;
} Withdrawn;

static Withdrawn *
link_withdraw (BerthConnection *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  Withdrawn *withdrawn = g_new0 (Withdrawn, 1);

  memcpy (withdrawn->connections, self->connections, sizeof self->connections);
  memset (self->connections, 0, sizeof self->connections);
  withdrawn->event_id = self->event_id;
  self->event_id = -1;
  self->is_up = FALSE;
  return withdrawn;
}

/* Asks libvirt, and so waits for it. */
static void
withdrawn_close (Withdrawn *withdrawn)
{
  if (withdrawn->event_id >= 0
      && virConnectDomainEventDeregisterAny (withdrawn->connections[BERTH_CONNECTION_CONTROL],
                                             withdrawn->event_id)
             < 0)
    berth_libvirt_error_take_code ();
  drop_connections (withdrawn->connections);
  g_free (withdrawn);
}

static void
close_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  withdrawn_close (task_data);
  g_task_return_boolean (task, TRUE);
}

/* One connection of the link was lost; to a libvirt that hangs the others may still stand, and who
 * closed them here would hang with it. The opener does, before it opens the next link. */
static void
link_take_down (BerthConnection *self)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, NULL, NULL);

  g_task_set_task_data (task, link_withdraw (self), NULL);
  berth_workers_run (self->opener, task, close_job);
}

/* Out of libvirt's callback, which holds the connection's lock. */
static gboolean
lost_idle (gpointer user_data)
{
  g_autoptr (BerthConnection) self = user_data;

  if (self->is_closed || !berth_connection_is_up (self))
    return G_SOURCE_REMOVE;
  berth_event_log (G_LOG_LEVEL_WARNING, BERTH_EVENT_LIBVIRT_LOST, NULL,
                   "lost the connection to libvirt at %s: new requests wait until it is back",
                   self->uri);
  link_take_down (self);
  if (self->state_func != NULL)
    self->state_func (FALSE, self->user_data);
  link_retry_later (self);
  return G_SOURCE_REMOVE;
}

static void
link_lost_cb (virConnectPtr connection, int reason, void *user_data)
{
  /* before what the opener brings: it is the link of now that was lost, not the next one */
  g_idle_add_full (G_PRIORITY_HIGH, lost_idle, g_object_ref (user_data), NULL);
}

/* ---- a KVM that runs no kernel ---- */

static void
emulate_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (source, BERTH_CONNECTION_CONTROL, NULL);
  Around *around = connection != NULL ? g_new0 (Around, 1) : NULL;

  if (around != NULL)
    {
      around_look (around, connection, "qemu");
      BERTH_SYNC_RELEASE (around);
    }
  g_task_return_pointer (task, around, (GDestroyNotify)around_free);
}

static void
emulated_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthConnection *self = BERTH_CONNECTION (source);
  g_autoptr (GTask) task = user_data;
  Around *around = g_task_propagate_pointer (G_TASK (result), NULL);

  /* a link that is lost just now is opened for emulation */
  if (around != NULL)
    {
      BERTH_SYNC_ACQUIRE (around);
      g_mutex_lock (&self->lock);
      link_take_around (self, around);
      g_mutex_unlock (&self->lock);
      around_free (around);
    }
  g_task_return_boolean (task, TRUE);
}

/* Another first boot has shown it already: what is silent beside that one is silent for a reason of
 * its own. */
static gboolean
connection_kvm_runs (BerthConnection *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return self->kvm_runs;
}

void
berth_connection_give_up_kvm_async (BerthConnection *self, const char *problem,
                                    GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  g_autoptr (GTask) job = NULL;

  g_task_set_source_tag (task, berth_connection_give_up_kvm_async);
  if (connection_kvm_runs (self))
    {
      g_task_return_boolean (task, FALSE);
      return;
    }
  if (self->given_up_kvm == NULL)
    {
      self->given_up_kvm = g_strdup (problem);
      berth_event_log (G_LOG_LEVEL_WARNING, BERTH_EVENT_KVM_GIVEN_UP, NULL,
                       "KVM can't be used, guests run under emulation (TCG), slower, until berthd "
                       "is started again: %s",
                       problem);
    }
  if (self->is_closed)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  /* behind a link that is being opened, and before the next */
  job = g_task_new (self, NULL, emulated_cb, g_steal_pointer (&task));
  berth_workers_run (self->opener, job, emulate_job);
}

gboolean
berth_connection_give_up_kvm_finish (BerthConnection *self, GAsyncResult *result)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), NULL);
}

void
berth_connection_open_async (BerthConnection *self, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, berth_connection_open_async);
  link_open (self, task);
}

gboolean
berth_connection_open_finish (BerthConnection *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
berth_connection_close (BerthConnection *self)
{
  if (self->is_closed)
    return;
  self->is_closed = TRUE;
  self->state_func = NULL;
  self->started_func = NULL;
  self->stopped_func = NULL;
  self->paused_func = NULL;
  g_clear_handle_id (&self->retry_id, g_source_remove);
  g_clear_handle_id (&self->slow_id, g_source_remove);
  for (guint i = 0; i < BERTH_CONNECTION_ROLES; i++)
    g_clear_pointer (&self->workers[i], berth_workers_free);
  g_clear_pointer (&self->opener, berth_workers_free);
  withdrawn_close (link_withdraw (self));
}

virConnectPtr
berth_connection_ref_connection (BerthConnection *self, BerthConnectionRole role, GError **error)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);
  virConnectPtr connection = self->connections[role];

  if (connection == NULL || virConnectRef (connection) < 0)
    {
      g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                           "libvirt can't be reached just now");
      return NULL;
    }
  return connection;
}

void
berth_connection_run (BerthConnection *self, BerthConnectionRole role, GTask *task,
                      GTaskThreadFunc func)
{
  if (self->is_closed)
    g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_SHUTTING_DOWN, "berth is stopping");
  else
    berth_workers_run (self->workers[role], task, func);
}

gboolean
berth_connection_is_up (BerthConnection *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return self->is_up;
}

char *
berth_connection_dup_uri (BerthConnection *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return g_strdup (self->uri);
}

unsigned long
berth_connection_get_libvirt_version (BerthConnection *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return self->version;
}

gboolean
berth_connection_has_read_only_ram (BerthConnection *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return self->qemu_version >= QEMU_WITH_ROM_OFF;
}

const char *
berth_connection_get_domain_type (BerthConnection *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return self->around.domain_type;
}

gboolean
berth_connection_doubts_kvm (BerthConnection *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return self->wanted_virt_type == NULL && !self->kvm_runs
         && g_strcmp0 (self->around.domain_type, "kvm") == 0;
}

void
berth_connection_note_kvm_runs (BerthConnection *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  self->kvm_runs = TRUE;
}

char *
berth_connection_dup_kvm_problem (BerthConnection *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return g_strdup (self->around.kvm_problem);
}

char *
berth_connection_dup_dac_label (BerthConnection *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return g_strdup (self->around.dac_label);
}

char **
berth_connection_dup_unwanted_features (BerthConnection *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return g_strdupv (self->around.unwanted_features);
}

BerthConnectionLimits
berth_connection_get_limits (BerthConnection *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return self->limits;
}

void
berth_connection_learn_limits (BerthConnection *self, BerthConnectionLimits limits)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  self->limits = limits;
}

gboolean
berth_connection_knows_shape (BerthConnection *self, const char *shape)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return g_hash_table_contains (self->shapes, shape);
}

void
berth_connection_learn_shape (BerthConnection *self, const char *shape)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  g_hash_table_add (self->shapes, g_strdup (shape));
}
