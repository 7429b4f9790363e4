/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plays the host: answers what the manager asks, now, later or with an error; keeps snapshots as
 * names, and the time. */
#include "tests/host/fake-host.h"

#include "plugin/template/berth-template.h"
#include "pool/berth-error.h"
#include "pool/berth-sync.h"
#include "tests/host/fake-answer.h"
#include "tests/host/fake-clock.h"
#include "tests/host/fake-doctor.h"
#include "tests/host/fake-reach.h"
#include "tests/host/fake-watch.h"

#define SNAPSHOT_BYTES (5 * 1024 * 1024)

/* One question, until it is answered. */
typedef struct
{
  FakeHostCall call;
  BerthVm *vm; /* (nullable) */
  char *name;  /* (nullable): of a snapshot */
  BerthSnapshotWish wish;
  BerthExec *exec;                    /* (nullable) */
  BerthFileRequest *file;             /* (nullable) */
  BerthBackgroundRequest *background; /* (nullable) */
  int fd;                             /* borrowed; of a copy */
  guint64 max_bytes;
  gboolean stays;
} Ask;

/* A VM of an earlier life. */
typedef struct
{
  BerthVm *vm;
  BerthRequest *request; /* (nullable) */
  gboolean is_paused;
} Found;

struct _FakeHost
{
  GObject parent_instance;
  BerthFakeHypervisor *hypervisor;
  gboolean is_virtual, is_up;
  char *uri;
  FakeHostPlay play;
  gpointer play_data;
  BerthHostWatch watch;
  gpointer watch_data;

  gboolean is_held[FAKE_HOST_N_CALLS];
  GError *errors[FAKE_HOST_N_CALLS];
  guint n_calls[FAKE_HOST_N_CALLS];
  GQueue held[FAKE_HOST_N_CALLS]; /* GTask (owned), whose data is an Ask */

  GHashTable *on_disk;    /* name (owned): snapshots that were committed */
  GHashTable *in_use;     /* name (owned): clones are made of it */
  GHashTable *recordings; /* name (owned): a VM is to be recorded */
  GPtrArray *found;       /* Found (owned) */
  FakeClock *clock;

  GMutex lock;       /* of what pool's thread comes to */
  GHashTable *names; /* BerthVm (borrowed) -> domain (owned) */
  gboolean starts_are_unknown;
  BerthHypervisorEventFunc event_func;
  gpointer event_data;
};

static void fake_host_hypervisor_init (BerthHypervisorInterface *iface);
static void fake_host_host_init (BerthHostInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (FakeHost, fake_host, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BERTH_TYPE_HYPERVISOR,
                                                      fake_host_hypervisor_init)
                                   G_IMPLEMENT_INTERFACE (BERTH_TYPE_HOST, fake_host_host_init))

static void
ask_free (Ask *ask)
{
  g_clear_object (&ask->vm);
  g_free (ask->name);
  berth_exec_free (ask->exec);
  berth_file_request_free (ask->file);
  berth_background_request_free (ask->background);
  g_free (ask);
}

static void
found_free (Found *found)
{
  g_object_unref (found->vm);
  g_clear_pointer (&found->request, berth_request_unref);
  g_free (found);
}

static void
fake_host_finalize (GObject *object)
{
  FakeHost *self = FAKE_HOST (object);

  g_object_unref (self->hypervisor);
  for (guint i = 0; i < FAKE_HOST_N_CALLS; i++)
    {
      g_queue_clear_full (&self->held[i], g_object_unref);
      g_clear_error (&self->errors[i]);
    }
  g_hash_table_unref (self->on_disk);
  g_hash_table_unref (self->in_use);
  g_hash_table_unref (self->recordings);
  g_hash_table_unref (self->names);
  g_ptr_array_unref (self->found);
  fake_clock_free (self->clock);
  g_free (self->uri);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (fake_host_parent_class)->finalize (object);
}

static void
fake_host_class_init (FakeHostClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = fake_host_finalize;
}

static void
fake_host_init (FakeHost *self)
{
  self->hypervisor = berth_fake_hypervisor_new ();
  self->is_virtual = TRUE;
  self->is_up = TRUE;
  self->uri = g_strdup ("test:///default");
  self->on_disk = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->in_use = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->recordings = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->names = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  self->found = g_ptr_array_new_with_free_func ((GDestroyNotify)found_free);
  self->clock = fake_clock_new ();
  g_mutex_init (&self->lock);
  for (guint i = 0; i < FAKE_HOST_N_CALLS; i++)
    g_queue_init (&self->held[i]);
}

FakeHost *
fake_host_new (void)
{
  return g_object_new (FAKE_TYPE_HOST, NULL);
}

FakeHost *
fake_host_new_real (const char *uri, const char *image_dir)
{
  FakeHost *self = fake_host_new ();

  self->is_virtual = FALSE;
  fake_doctor_set_image_dir (BERTH_HOST (self), image_dir);
  if (uri != NULL)
    {
      g_free (self->uri);
      self->uri = g_strdup (uri);
    }
  return self;
}

void
fake_host_set_play (FakeHost *self, const FakeHostPlay *play, gpointer user_data)
{
  self->play = *play;
  self->play_data = user_data;
}

BerthFakeHypervisor *
fake_host_get_hypervisor (FakeHost *self)
{
  return self->hypervisor;
}

/* ---- the hypervisor that pool sees: the fake one, with names and ends ---- */

static gboolean
has_name (FakeHost *self, const char *name)
{
  GHashTableIter iter;
  const char *other;

  g_hash_table_iter_init (&iter, self->names);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *)&other))
    if (g_str_equal (other, name))
      return TRUE;
  return FALSE;
}

static void
add_name (FakeHost *self, BerthVm *vm)
{
  g_autofree char *name = NULL;

  g_mutex_lock (&self->lock);
  for (guint i = 1; name == NULL || has_name (self, name); i++)
    {
      g_free (name);
      name = g_strdup_printf ("berth-%s-%u", berth_vm_get_template (vm), i);
    }
  g_hash_table_insert (self->names, vm, g_steal_pointer (&name));
  g_mutex_unlock (&self->lock);
}

typedef struct
{
  FakeHost *self;
  BerthVm *vm;
} Ended;

static void
ended_free (gpointer data)
{
  Ended *ended = data;

  g_object_unref (ended->vm);
  g_object_unref (ended->self);
  g_free (ended);
}

static gboolean
ended_cb (gpointer data)
{
  Ended *ended = data;

  BERTH_SYNC_ACQUIRE (ended);
  if (ended->self->play.ended != NULL)
    ended->self->play.ended (ended->vm, ended->self->play_data);
  return G_SOURCE_REMOVE;
}

static void
tell_ended (FakeHost *self, BerthVm *vm)
{
  Ended *ended = g_new0 (Ended, 1);

  ended->self = g_object_ref (self);
  ended->vm = g_object_ref (vm);
  BERTH_SYNC_RELEASE (ended);
  g_idle_add_full (G_PRIORITY_DEFAULT, ended_cb, ended, ended_free);
}

static void
event_cb (BerthHypervisorEventType type, BerthVm *vm, const GError *error, gpointer user_data)
{
  FakeHost *self = user_data;

  if (type == BERTH_HYPERVISOR_GONE)
    {
      g_mutex_lock (&self->lock);
      g_hash_table_remove (self->names, vm);
      g_mutex_unlock (&self->lock);
      tell_ended (self, vm);
    }
  self->event_func (type, vm, error, self->event_data);
}

static void
fake_set_event_func (BerthHypervisor *hypervisor, BerthHypervisorEventFunc func, gpointer user_data)
{
  FakeHost *self = FAKE_HOST (hypervisor);

  if (func == NULL) /* first: nobody comes to the two below then */
    berth_hypervisor_set_event_func (BERTH_HYPERVISOR (self->hypervisor), NULL, NULL);
  self->event_func = func;
  self->event_data = user_data;
  if (func != NULL)
    berth_hypervisor_set_event_func (BERTH_HYPERVISOR (self->hypervisor), event_cb, self);
}

static void
fake_start (BerthHypervisor *hypervisor, BerthVm *vm, BerthStartMode mode)
{
  add_name (FAKE_HOST (hypervisor), vm);
  berth_hypervisor_start (BERTH_HYPERVISOR (FAKE_HOST (hypervisor)->hypervisor), vm, mode);
}

#define PASS_ON(call)                                                                              \
  static void fake_##call (BerthHypervisor *hypervisor, BerthVm *vm)                               \
  {                                                                                                \
    berth_hypervisor_##call (BERTH_HYPERVISOR (FAKE_HOST (hypervisor)->hypervisor), vm);           \
  }
PASS_ON (claim)
PASS_ON (pause)
PASS_ON (wake)

static void
fake_destroy (BerthHypervisor *hypervisor, BerthVm *vm)
{
  tell_ended (FAKE_HOST (hypervisor), vm);
  berth_hypervisor_destroy (BERTH_HYPERVISOR (FAKE_HOST (hypervisor)->hypervisor), vm);
}

static void
fake_host_hypervisor_init (BerthHypervisorInterface *iface)
{
  iface->set_event_func = fake_set_event_func;
  iface->start = fake_start;
  iface->claim = fake_claim;
  iface->pause = fake_pause;
  iface->wake = fake_wake;
  iface->destroy = fake_destroy;
}

/* ---- answers ---- */

static void
answer_prepare (FakeHost *self, Ask *ask, GTask *task)
{
  gboolean is_there = g_hash_table_contains (self->on_disk, ask->name);

  if (ask->wish != BERTH_SNAPSHOT_NEW && is_there)
    g_task_return_int (task, g_hash_table_add (self->in_use, g_strdup (ask->name))
                                 ? BERTH_SNAPSHOT_FOUND
                                 : BERTH_SNAPSHOT_SAME);
  else if (ask->wish == BERTH_SNAPSHOT_EXISTING)
    g_task_return_new_error (task, BERTH_ERROR, BERTH_ERROR_GONE, "there is no snapshot of %s",
                             ask->name);
  else
    {
      /* the one before was committed or given up */
      g_assert_true (g_hash_table_add (self->recordings, g_strdup (ask->name)));
      g_task_return_int (task, BERTH_SNAPSHOT_PLACE);
    }
}

static void
answer_commit (FakeHost *self, Ask *ask, GTask *task)
{
  g_assert_true (g_hash_table_remove (self->recordings, ask->name));
  g_hash_table_add (self->on_disk, g_strdup (ask->name));
  g_hash_table_add (self->in_use, g_strdup (ask->name));
  g_task_return_boolean (task, TRUE);
}

static void
answer_exec (FakeHost *self, Ask *ask, GTask *task)
{
  if (self->play.exec != NULL)
    self->play.exec (ask->vm, g_steal_pointer (&ask->exec), g_object_ref (task), self->play_data);
  else
    fake_answer_exec (ask->exec, task);
}

static void
answer_background (FakeHost *self, Ask *ask, GTask *task)
{
  if (self->play.background != NULL)
    self->play.background (ask->vm, g_steal_pointer (&ask->background), g_object_ref (task),
                           self->play_data);
  else
    fake_answer_background (BERTH_HOST (self), ask->background, task);
}

static void
answer_file (FakeHost *self, Ask *ask, GTask *task)
{
  if (self->play.file != NULL)
    self->play.file (ask->vm, g_steal_pointer (&ask->file), g_object_ref (task), self->play_data);
  else
    fake_answer_file (task);
}

static void
answer (FakeHost *self, GTask *task)
{
  Ask *ask = g_task_get_task_data (task);

  if (ask->call == FAKE_HOST_COPY && (self->errors[ask->call] != NULL || !ask->stays))
    fake_host_end_copy (self, ask->vm, self->errors[ask->call] == NULL ? 1000 : -1, 32);
  if (self->errors[ask->call] != NULL)
    {
      g_task_return_error (task, g_error_copy (self->errors[ask->call]));
      return;
    }
  switch (ask->call)
    {
    case FAKE_HOST_PREPARE:
      answer_prepare (self, ask, task);
      break;
    case FAKE_HOST_COMMIT:
      answer_commit (self, ask, task);
      break;
    case FAKE_HOST_EXEC:
      answer_exec (self, ask, task);
      break;
    case FAKE_HOST_FILE:
      answer_file (self, ask, task);
      break;
    case FAKE_HOST_COPY:
      fake_answer_copy (ask->vm, ask->fd, ask->max_bytes, task);
      break;
    case FAKE_HOST_BACKGROUND:
      answer_background (self, ask, task);
      break;
    default:
      g_task_return_boolean (task, TRUE);
    }
}

/* Takes over @task. */
static Ask *
ask_new (FakeHost *self, FakeHostCall call, BerthVm *vm, const char *name, GTask *task)
{
  Ask *ask = g_new0 (Ask, 1);

  ask->call = call;
  ask->vm = vm != NULL ? g_object_ref (vm) : NULL;
  ask->name = g_strdup (name);
  g_task_set_task_data (task, ask, (GDestroyNotify)ask_free);
  self->n_calls[call]++;
  return ask;
}

/* Takes over @task. */
static void
put (BerthHost *host, GTask *task)
{
  FakeHost *self = FAKE_HOST (host);
  Ask *ask = g_task_get_task_data (task);

  if (self->is_held[ask->call])
    {
      g_queue_push_tail (&self->held[ask->call], task);
      return;
    }
  answer (self, task);
  g_object_unref (task);
}

void
fake_host_hold (FakeHost *self, FakeHostCall call, gboolean hold)
{
  GTask *task;

  while (!hold && (task = g_queue_pop_head (&self->held[call])) != NULL)
    {
      answer (self, task);
      g_object_unref (task);
    }
  self->is_held[call] = hold;
}

void
fake_host_answer_last (FakeHost *self, FakeHostCall call)
{
  g_autoptr (GTask) task = g_queue_pop_tail (&self->held[call]);

  answer (self, task);
}

void
fake_host_fail (FakeHost *self, FakeHostCall call, GError *error)
{
  g_clear_error (&self->errors[call]);
  self->errors[call] = error;
}

guint
fake_host_count_calls (FakeHost *self, FakeHostCall call)
{
  return self->n_calls[call];
}

guint
fake_host_count_held (FakeHost *self, FakeHostCall call)
{
  return g_queue_get_length (&self->held[call]);
}

/* ---- questions ---- */

static void
fake_open (BerthHost *host, GHashTable *templates, GTask *task)
{
  FakeHost *self = FAKE_HOST (host);

  ask_new (self, FAKE_HOST_OPEN, NULL, NULL, task);
  if (self->play.open != NULL)
    self->play.open (templates, self->play_data);
  if (g_str_equal (self->uri, "test:///refused"))
    fake_host_fail (self, FAKE_HOST_OPEN,
                    g_error_new (BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                                 "libvirt %s: does not answer", self->uri));
  put (host, task);
}

static void
fake_close (BerthHost *host)
{
  FAKE_HOST (host)->watch = (BerthHostWatch){ 0 };
}

static void
fake_set_watch (BerthHost *host, const BerthHostWatch *watch, gpointer user_data)
{
  FAKE_HOST (host)->watch = *watch;
  FAKE_HOST (host)->watch_data = user_data;
}

/* Calls @func for those that are left, sessions or warm ones. */
static void
tell_found (FakeHost *self, gboolean are_sessions, BerthHostFoundFunc func, gpointer func_data)
{
  for (guint i = 0; i < self->found->len; i++)
    {
      Found *found = g_ptr_array_index (self->found, i);

      if ((found->request != NULL) != are_sessions)
        continue;
      add_name (self, found->vm);
      func (found->vm, found->request, found->is_paused, func_data);
      if (!are_sessions)
        self->event_func (BERTH_HYPERVISOR_STARTED, found->vm, NULL, self->event_data);
    }
}

static void
fake_adopt_sessions (BerthHost *host, BerthHostFoundFunc func, gpointer func_data, GTask *task)
{
  ask_new (FAKE_HOST (host), FAKE_HOST_ADOPT, NULL, NULL, task);
  tell_found (FAKE_HOST (host), TRUE, func, func_data);
  put (host, task);
}

static void
fake_adopt_warm (BerthHost *host, BerthHostFoundFunc func, gpointer func_data)
{
  tell_found (FAKE_HOST (host), FALSE, func, func_data);
}

static void
fake_prepare_snapshot (BerthHost *host, const char *name, const char *dir, BerthSnapshotWish wish,
                       GTask *task)
{
  ask_new (FAKE_HOST (host), FAKE_HOST_PREPARE, NULL, name, task)->wish = wish;
  put (host, task);
}

static void
fake_record (BerthHost *host, BerthVm *vm, GTask *task)
{
  ask_new (FAKE_HOST (host), FAKE_HOST_RECORD, vm, NULL, task);
  put (host, task);
}

static void
fake_copy (BerthHost *host, BerthVm *vm, int fd, guint64 max_bytes, gboolean stays, GTask *task)
{
  GError *error = NULL;
  Ask *ask;

  if (!fake_host_begin_copy (FAKE_HOST (host), vm, &error))
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  ask = ask_new (FAKE_HOST (host), FAKE_HOST_COPY, vm, NULL, task);
  ask->fd = fd;
  ask->max_bytes = max_bytes;
  ask->stays = stays;
  put (host, task);
}

static void
fake_settle (BerthHost *host, BerthVm *vm, GTask *task)
{
  ask_new (FAKE_HOST (host), FAKE_HOST_SETTLE, vm, NULL, task);
  put (host, task);
}

static void
fake_commit_snapshot (BerthHost *host, const char *name, GTask *task)
{
  ask_new (FAKE_HOST (host), FAKE_HOST_COMMIT, NULL, name, task);
  put (host, task);
}

static void
fake_drop_recording (BerthHost *host, const char *name)
{
  g_hash_table_remove (FAKE_HOST (host)->recordings, name);
}

static void
fake_drop_snapshot (BerthHost *host, const char *name)
{
  g_hash_table_remove (FAKE_HOST (host)->in_use, name);
  g_hash_table_remove (FAKE_HOST (host)->on_disk, name);
}

static gboolean
fake_get_snapshot_bytes (BerthHost *host, const char *name, guint64 *out_bytes)
{
  if (!g_hash_table_contains (FAKE_HOST (host)->in_use, name))
    return FALSE;
  *out_bytes = SNAPSHOT_BYTES;
  return TRUE;
}

static void
fake_exec (BerthHost *host, BerthVm *vm, BerthExec *exec, GTask *task)
{
  ask_new (FAKE_HOST (host), FAKE_HOST_EXEC, vm, NULL, task)->exec = exec;
  put (host, task);
}

static void
fake_file (BerthHost *host, BerthVm *vm, BerthFileRequest *file, GTask *task)
{
  ask_new (FAKE_HOST (host), FAKE_HOST_FILE, vm, NULL, task)->file = file;
  put (host, task);
}

static void
fake_background (BerthHost *host, BerthVm *vm, BerthBackgroundRequest *request, GTask *task)
{
  ask_new (FAKE_HOST (host), FAKE_HOST_BACKGROUND, vm, NULL, task)->background = request;
  put (host, task);
}

static const char *
fake_get_domain_name (BerthHost *host, BerthVm *vm)
{
  FakeHost *self = FAKE_HOST (host);
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&self->lock);

  return g_intern_string (g_hash_table_lookup (self->names, vm));
}

static const char *
fake_get_start_name (BerthHost *host, BerthVm *vm)
{
  if (FAKE_HOST (host)->starts_are_unknown)
    return NULL;
  return berth_vm_was_warm (vm) ? "warm" : "cold";
}

/* Told as what was measured would be. */
static void
fake_get_start_times (BerthHost *host, BerthVm *vm, gint64 *out_spawn_us, gint64 *out_connect_us)
{
  *out_spawn_us = berth_vm_was_warm (vm) ? 0 : 2000;
  *out_connect_us = berth_vm_was_warm (vm) ? 0 : 1000;
}

static gboolean
fake_get_memory (BerthHost *host, BerthVm *vm, guint64 *out_private, guint64 *out_shared)
{
  return FALSE;
}

static char *
fake_dup_domain_xml (BerthHost *host, const char *template_name, GError **error)
{
  return g_strdup_printf ("<domain><name>berth-%s-1</name></domain>\n", template_name);
}

static GVariant *
fake_dup_status (BerthHost *host)
{
  FakeHost *self = FAKE_HOST (host);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "uri", "s", self->uri);
  g_variant_dict_insert (&dict, "connected", "b", self->is_up);
  g_variant_dict_insert (&dict, "version", "s", "9.0.0");
  fake_doctor_add_status (host, &dict);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

/* ---- the time ---- */

static gint64
fake_get_time (BerthHost *host)
{
  FakeHost *self = FAKE_HOST (host);

  return self->is_virtual ? fake_clock_get_time (self->clock) : g_get_monotonic_time ();
}

static guint
fake_add_timer (BerthHost *host, gint64 delay_us, GSourceFunc func, gpointer user_data)
{
  FakeHost *self = FAKE_HOST (host);

  return self->is_virtual ? fake_clock_add (self->clock, delay_us, func, user_data)
                          : g_timeout_add ((guint)(delay_us / 1000), func, user_data);
}

void
fake_host_advance (FakeHost *self, gint64 us)
{
  g_assert_true (self->is_virtual);
  fake_clock_advance (self->clock, us);
}

guint
fake_host_count_timers (FakeHost *self)
{
  return fake_clock_count (self->clock);
}

static void
fake_host_host_init (BerthHostInterface *iface)
{
  iface->open = fake_open;
  iface->close = fake_close;
  iface->set_watch = fake_set_watch;
  fake_watch_init (iface);
  iface->adopt_sessions = fake_adopt_sessions;
  iface->adopt_warm = fake_adopt_warm;
  iface->prepare_snapshot = fake_prepare_snapshot;
  iface->record = fake_record;
  iface->copy = fake_copy;
  iface->go_on = fake_host_go_on;
  iface->settle = fake_settle;
  iface->keep_bases = fake_host_keep_bases;
  iface->commit_snapshot = fake_commit_snapshot;
  iface->drop_recording = fake_drop_recording;
  iface->drop_snapshot = fake_drop_snapshot;
  iface->get_snapshot_bytes = fake_get_snapshot_bytes;
  iface->exec = fake_exec;
  iface->background = fake_background;
  iface->file = fake_file;
  fake_reach_init (iface);
  iface->get_domain_name = fake_get_domain_name;
  iface->get_start_name = fake_get_start_name;
  iface->get_start_times = fake_get_start_times;
  iface->get_memory = fake_get_memory;
  iface->dup_domain_xml = fake_dup_domain_xml;
  iface->dup_status = fake_dup_status;
  iface->dup_confinement = fake_doctor_dup_confinement;
  iface->check_image = fake_doctor_check_image;
  iface->check_layers = fake_doctor_check_layers;
  iface->get_time = fake_get_time;
  iface->add_timer = fake_add_timer;
}

/* ---- the world ---- */

void
fake_host_set_up (FakeHost *self, gboolean is_up)
{
  self->is_up = is_up;
  if (self->watch.state_changed != NULL)
    self->watch.state_changed (is_up, self->watch_data);
}

const BerthHostWatch *
fake_host_get_watch (FakeHost *self, gpointer *out_data)
{
  *out_data = self->watch_data;
  return &self->watch;
}

void
fake_host_add_snapshot (FakeHost *self, const char *name)
{
  g_hash_table_add (self->on_disk, g_strdup (name));
}

gboolean
fake_host_has_snapshot (FakeHost *self, const char *name)
{
  return g_hash_table_contains (self->in_use, name);
}

BerthVm *
fake_host_leave_vm (FakeHost *self, const char *template_name, BerthRequest *request,
                    gboolean is_paused)
{
  Found *found = g_new0 (Found, 1);

  found->vm
      = berth_vm_new_adopted ("0123456789abcdef0123456789abcdef",
                              BERTH_SHAPE (template_name, 192, 1), NULL, g_get_monotonic_time ());
  found->request = request != NULL ? berth_request_ref (request) : NULL;
  found->is_paused = is_paused;
  g_ptr_array_add (self->found, found);
  return found->vm;
}

void
fake_host_set_starts_unknown (FakeHost *self, gboolean are_unknown)
{
  self->starts_are_unknown = are_unknown;
}
