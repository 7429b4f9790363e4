/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One VM as libvirt has it: its domain, its agent, the steps of its start and its end. */
#include "berth-machine-private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "berth-console.h"
#include "berth-domain-copy.h"
#include "berth-domain.h"
#include "berth-libvirt-error.h"
#include "berth-parts.h"
#include "plugin/base/berth-event.h"
#include "plugin/base/berth-source.h"
#include "pool/berth-sync.h"

/* A clone's agent was there when its snapshot was made: it answers as soon as it runs. */
#define CLONE_TIMEOUT_MS 10000u
/* How often a guest's clock may be wrong before it is given up. One that is only late is given the
 * time anew by berth_guest_identify_async () itself, but for an agent that takes no clock alone. */
#define IDENTITY_ATTEMPTS 5u
/* of a boot that failed (contract.md, Output) */
#define CONSOLE_LINES 100u
/* Execs before the pause: each goes through code and pages that the one before has not, less each
 * time (measured under TCG: a first exec of 60 ms, a fifth of 10 ms). In a snapshot they cost
 * nothing. */
#define REHEARSALS_RECORD 6u
#define REHEARSALS_WARM 3u

G_DEFINE_FINAL_TYPE (BerthMachine, berth_machine, G_TYPE_OBJECT)

static void
berth_machine_finalize (GObject *object)
{
  BerthMachine *self = BERTH_MACHINE (object);

  berth_source_clear (&self->mark_source);
  berth_machine_end_kvm_watch (self, FALSE);
  g_free (self->kvm_problem);
  g_clear_pointer (&self->boot_log, berth_boot_log_end);
  g_clear_object (&self->agent);
  g_clear_pointer (&self->process, berth_process_free);
  g_object_unref (self->vm);
  g_clear_pointer (&self->template, berth_template_unref);
  g_clear_pointer (&self->card_template, berth_template_unref);
  g_free (self->language);
  g_object_unref (self->connection);
  berth_places_give_back (self->places, self->name);
  berth_places_unref (self->places);
  g_clear_pointer (&self->snapshot, berth_snapshot_unref);
  berth_machine_set_state (self, -1);
  g_free (self->instance);
  g_free (self->name);
  g_free (self->uuid);
  berth_domain_handle_clear (&self->handle);
  g_free (self->console_path);
  g_free (self->marked_process);
  g_clear_pointer (&self->settlers, g_ptr_array_unref);
  G_OBJECT_CLASS (berth_machine_parent_class)->finalize (object);
}

static void
berth_machine_class_init (BerthMachineClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = berth_machine_finalize;
}

static void
berth_machine_init (BerthMachine *self)
{
  self->state_fd = -1;
}

static BerthMachine *
machine_new (BerthVm *vm, const char *language, BerthConnection *connection, BerthPlaces *places,
             const char *instance, const char *name, char *uuid_taken)
{
  BerthMachine *self = g_object_new (BERTH_TYPE_MACHINE, NULL);

  self->vm = g_object_ref (vm);
  self->language = g_strdup (language);
  self->connection = g_object_ref (connection);
  self->places = berth_places_ref (places);
  berth_places_take (places, name);
  self->instance = g_strdup (instance);
  self->name = g_strdup (name);
  self->uuid = uuid_taken;
  return self;
}

BerthMachine *
berth_machine_new (BerthVm *vm, BerthTemplate *template, BerthConnection *connection,
                   BerthPlaces *places, const char *instance, const char *name)
{
  BerthMachine *self = machine_new (vm, berth_template_get_language (template), connection, places,
                                    instance, name, berth_places_make_uuid (places, name));

  self->template = berth_template_ref (template);
  berth_machine_set_card_template (self, template);
  self->created = g_get_real_time () / G_USEC_PER_SEC;
  return self;
}

BerthMachine *
berth_machine_new_adopted (BerthVm *vm, const char *language, BerthConnection *connection,
                           BerthPlaces *places, const char *instance, const BerthOwnDomain *domain)
{
  BerthMachine *self = machine_new (vm, language, connection, places, instance, domain->name,
                                    g_strdup (domain->uuid));

  self->is_adopted = TRUE;
  self->has_asked = TRUE;
  self->is_owned = TRUE;
  self->created = domain->mark->created;
  self->marked_process = g_strdup (domain->mark->process);
  self->domain_id = domain->id;
  return self;
}

BerthVm *
berth_machine_get_vm (BerthMachine *self)
{
  return self->vm;
}

const char *
berth_machine_get_language (BerthMachine *self)
{
  return self->language;
}

const char *
berth_machine_get_name (BerthMachine *self)
{
  return self->name;
}

const char *
berth_machine_get_uuid (BerthMachine *self)
{
  return self->uuid;
}

guint
berth_machine_get_life (BerthMachine *self)
{
  return self->domain_id;
}

BerthGuest *
berth_machine_get_agent (BerthMachine *self)
{
  return self->agent;
}

BerthSnapshot *
berth_machine_get_snapshot (BerthMachine *self)
{
  return self->snapshot;
}

BerthMachineStart
berth_machine_get_start (BerthMachine *self)
{
  return self->how;
}

const guint8 *
berth_machine_get_proof (BerthMachine *self)
{
  return self->proof;
}

char *
berth_machine_dup_console (BerthMachine *self, guint lines)
{
  return self->console_path != NULL ? berth_console_dup_tail (self->console_path, lines) : NULL;
}

/* What a worker thread of the connection gets and what it brings back. Of the machine it reads what
 * is settled before the job begins and stays until its end (names, template, snapshot, how); the
 * rest is the main context's. */
typedef struct
{
  BerthMark *mark;
  BerthImages *images;
  char *console_path;
  BerthProcess *process;
  GSocket *socket;
  guint domain_id;
  BerthDomainHandle handle; /* of the connection for starts */
  char *live_xml;
} Start;

static void
start_free (Start *start)
{
  BERTH_SYNC_ACQUIRE (start);
  berth_mark_free (start->mark);
  g_clear_pointer (&start->images, berth_images_unref);
  g_free (start->console_path);
  g_clear_pointer (&start->process, berth_process_free);
  g_clear_object (&start->socket);
  berth_domain_handle_clear (&start->handle);
  g_free (start->live_xml);
  g_free (start);
}

/* A descriptor of its own: others read the same file. */
static int
machine_open_state (BerthMachine *self, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", self->state_fd);
  int fd;

  if (self->state_fd < 0)
    return berth_snapshot_open_state (self->snapshot, error);
  if (!berth_snapshot_is_in_place (self->snapshot)) /* QEMU has another's RAM */
    {
      g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                           "its template's snapshot was made anew meanwhile: ask again");
      return -1;
    }
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                 "the state of the session that it is a copy of can't be opened: %s",
                 g_strerror (errno));
  return fd;
}

/* Brings the snapshot's device state into a domain that was started for it, and lets it run. */
static gboolean
wake_clone (BerthMachine *self, virConnectPtr connection, Start *start, GError **error)
{
  int fd = machine_open_state (self, error);
  gboolean ok = fd >= 0
                && berth_domain_load_state (connection, self->uuid, &start->handle, fd, error)
                && berth_domain_set_paused (connection, self->uuid, &start->handle, FALSE, error);

  if (fd >= 0)
    close (fd);
  return ok;
}

/* Memory is limited here and not in the XML: with a limit there, libvirt raises what QEMU may lock,
 * which a root without CAP_SYS_RESOURCE can't, and no domain would start. No code of a user runs in
 * it yet. */
static void
machine_limit (BerthMachine *self, virConnectPtr connection, Start *start)
{
  BerthConnectionLimits known = berth_connection_get_limits (self->connection);
  BerthDomainLimits limits
      = berth_template_limits (berth_connection_get_domain_type (self->connection),
                               berth_vm_get_memory_mb (self->vm), berth_vm_get_vcpus (self->vm));

  /* only a domain that runs tells; the others pay nothing for the question */
  if (known == BERTH_CONNECTION_LIMITS_NONE)
    {
      known = berth_domain_get_limits (connection, self->uuid);
      berth_connection_learn_limits (self->connection, known);
    }
  if ((known & BERTH_CONNECTION_LIMITS_CPU) == 0 || strstr (start->live_xml, "<cputune>") != NULL)
    limits.cpu_quota_us = 0; /* can't be had, or it has them already */
  if ((known & BERTH_CONNECTION_LIMITS_MEMORY) == 0
      || strstr (start->live_xml, "<memtune>") != NULL)
    limits.memory_kib = 0;
  berth_domain_limit (connection, self->uuid, &start->handle, &limits);
}

/* libvirt validates the first domain of each shape: the others differ in names and numbers
 * alone. */
static gboolean
machine_start_domain (BerthMachine *self, virConnectPtr connection, const char *xml, Start *start,
                      GError **error)
{
  g_autofree char *shape
      = g_strdup_printf ("%s %d", berth_template_get_digest (self->template), self->how);
  guint flags = berth_machine_is_clone (self) ? BERTH_DOMAIN_START_PAUSED : 0;
  g_autoptr (GError) failure = NULL;

  if (berth_connection_knows_shape (self->connection, shape))
    flags |= BERTH_DOMAIN_START_KNOWN;
  self->has_asked = TRUE;
  if (!berth_domain_start (connection, xml, flags, &start->handle, &start->live_xml, &failure))
    {
      self->has_asked = !g_error_matches (failure, G_IO_ERROR, G_IO_ERROR_EXISTS);
      g_propagate_error (error, g_steal_pointer (&failure));
      return FALSE;
    }
  berth_connection_learn_shape (self->connection, shape);
  return TRUE;
}

static gboolean
machine_connect (BerthMachine *self, virConnectPtr connection, Start *start, GError **error)
{
  g_autofree char *path = berth_domain_dup_channel_path (start->live_xml, BERTH_PROTOCOL_PORT);
  g_autofree char *uri = berth_connection_dup_uri (self->connection);

  start->domain_id = berth_domain_read_id (start->live_xml);
  start->process = berth_process_open (uri, self->name);
  start->console_path = berth_domain_dup_console_path (start->live_xml);
  start->socket
      = berth_domain_connect_port (connection, self->uuid, path, BERTH_PROTOCOL_PORT, error);
  return start->socket != NULL;
}

/* What is defined stays as it is for as long as what it is made of does: nothing is written for
 * each life. */
static gboolean
machine_take_place (BerthMachine *self, virConnectPtr connection, BerthImages *images,
                    GError **error)
{
  g_autofree char *found = NULL;
  BerthDomainPlace place
      = berth_domain_look_up_place (connection, self->instance, self->name, self->uuid, &found);
  g_autofree char *definition = berth_machine_make_definition (self, images, error);
  g_autofree char *xml = NULL;

  if (place == BERTH_DOMAIN_PLACE_TAKEN)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "a domain %s exists", self->name);
      return FALSE;
    }
  if (definition == NULL)
    return FALSE;
  if (place == BERTH_DOMAIN_PLACE_DEFINED && g_strcmp0 (found, definition) == 0)
    return TRUE;
  xml = berth_machine_make_place_xml (self, definition, images, error);
  return xml != NULL && berth_domain_define_place (connection, xml, error);
}

/* Of a template's snapshot, in which nobody's code is under way: its guest greets while libvirt
 * furnishes it. And the host is connected before it runs, as it was when the snapshot was made: so
 * the guest does not hear that its channel was closed and opened, which under TCG is code that each
 * clone translates first. */
static gboolean
machine_greets_early (BerthMachine *self)
{
  return berth_machine_is_clone (self) && self->state_fd < 0;
}

static gboolean
start_and_connect (BerthMachine *self, virConnectPtr connection, Start *start, GError **error)
{
  if (machine_greets_early (self))
    return machine_connect (self, connection, start, error)
           && wake_clone (self, connection, start, error);
  machine_limit (self, connection, start);
  return (!berth_machine_is_clone (self)
          || (wake_clone (self, connection, start, error)
              && berth_domain_forget_load (connection, self->uuid, &start->handle, error)))
         && machine_connect (self, connection, start, error);
}

static gboolean
create_domain (BerthMachine *self, Start *start, GCancellable *cancellable, GError **error)
{
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_START, error);
  g_autofree char *xml = NULL;

  if (connection == NULL || g_cancellable_set_error_if_cancelled (cancellable, error)
      || !machine_take_place (self, connection, start->images, error))
    return FALSE;
  xml = berth_machine_make_xml (self, start->mark, start->images, error);
  return xml != NULL && machine_start_domain (self, connection, xml, start, error)
         && start_and_connect (self, connection, start, error);
}

static gboolean
adopt_domain (BerthMachine *self, Start *start, GError **error)
{
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_START, error);

  if (connection != NULL)
    start->live_xml = berth_domain_dup_live_xml (connection, self->uuid, error);
  return start->live_xml != NULL
         /* also one that was paused since it was listed: nobody has been told that it is */
         && (self->abandons_copy || berth_domain_is_running (connection, self->uuid)
             || berth_domain_set_paused (connection, self->uuid, NULL, FALSE, error))
         && (!self->abandons_copy || berth_domain_abandon_copy (connection, self->uuid, error))
         && machine_connect (self, connection, start, error);
}

static void
create_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthMachine *self = source;
  g_autoptr (GError) error = NULL;
  gboolean ok = self->is_adopted ? adopt_domain (self, task_data, &error)
                                 : create_domain (self, task_data, cancellable, &error);

  BERTH_SYNC_RELEASE (task_data);
  if (ok)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
furnish_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthMachine *self = source;
  g_autoptr (GError) error = NULL;
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_START, &error);
  Start *start = g_task_get_task_data (G_TASK (task_data));
  gboolean ok;

  BERTH_SYNC_ACQUIRE (start);
  if (connection != NULL)
    machine_limit (self, connection, start);
  ok = connection != NULL
       && berth_domain_forget_load (connection, self->uuid, &start->handle, &error);
  BERTH_SYNC_RELEASE (start);
  if (ok)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  g_prefix_error (&error, "%s: ", self->name);
  g_task_return_error (task, g_steal_pointer (&error));
}

/* Before anybody's code runs in it. @created: the job that has made it, with what it knows */
static void
furnish_beside (BerthMachine *self, GTask *whole, GTask *created)
{
  g_autoptr (GTask) part = berth_parts_add (whole);

  g_task_set_task_data (part, g_object_ref (created), g_object_unref);
  berth_connection_run (self->connection, BERTH_CONNECTION_START, part, furnish_job);
}

/* Says which VM it was, and what it said last. */
static void
machine_explain (BerthMachine *self, const char *doing, GError **error)
{
  g_autofree char *told = (*error)->message; /* lint: error-deref: never NULL here */

  (*error)->message = berth_console_explain (self->console_path, told, berth_machine_boots (self));
  g_prefix_error (error, "%s: %s: ", self->name, doing);
}

void
berth_machine_return_start_error (GTask *task, const char *doing, GError *reason)
{
  BerthMachine *self = g_task_get_source_object (task);
  g_autoptr (GError) error = reason;

  if (error->domain != BERTH_ERROR && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      error->domain = BERTH_ERROR;
      error->code = BERTH_ERROR_UNAVAILABLE;
    }
  /* what has booted before does not fail to boot: another try is another clone, or a boot */
  if (!berth_machine_boots (self)
      && g_error_matches (error, BERTH_ERROR, BERTH_ERROR_START_TIMED_OUT))
    error->code = BERTH_ERROR_UNAVAILABLE;
  machine_explain (self, doing, &error);
  g_task_return_error (task, g_steal_pointer (&error));
}

/* ---- identity ---- */

static void
identified_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthMachine *self = g_task_get_source_object (task);
  GError *error = NULL;

  gboolean goes_on = self->is_adopted && self->how == BERTH_MACHINE_COLD;
  gboolean ok = berth_guest_identify_finish (BERTH_GUEST (source), result, self->proof, &error);

  if (ok && !goes_on && berth_machine_has_card (self))
    berth_machine_plug (self, g_steal_pointer (&task));
  else if (ok)
    g_task_return_boolean (task, TRUE);
  else if (g_error_matches (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE)
           && ++self->identity_attempts < IDENTITY_ATTEMPTS)
    {
      /* the host's clock was set meanwhile, or an old agent took the time late: give it anew */
      g_error_free (error);
      berth_machine_identify (self, g_steal_pointer (&task));
    }
  else
    berth_machine_return_start_error (task, "the guest did not take its identity", error);
}

/* The process that had it when it got its identity has it still: it is nobody's copy. */
static gboolean
machine_is_original (BerthMachine *self)
{
  const char *process = berth_machine_get_process_id (self);

  return process != NULL && g_strcmp0 (process, self->marked_process) == 0
         && berth_guest_was_identified (self->agent) && berth_guest_takes_clock (self->agent);
}

/* No name: what its programs have made of their random numbers is kept, where no copy can have the
 * same. A session that goes on is not ended for its host's being busy: its clock is set behind. */
void
berth_machine_identify (BerthMachine *self, GTask *task)
{
  gboolean goes_on = self->is_adopted && self->how == BERTH_MACHINE_COLD;

  gboolean is_no_copy = self->is_sole || (goes_on && machine_is_original (self));

  berth_guest_identify_async (
      self->agent, is_no_copy ? "" : self->name, goes_on ? BERTH_IDENTIFY_MAY_BE_LATE : 0,
      BERTH_MACHINE_IDENTITY_TIMEOUT_MS, g_task_get_cancellable (task), identified_cb, task);
}

static void clock_set_cb (GObject *source, GAsyncResult *result, gpointer user_data);

/* No name: it has its identity, and takes nothing but the time. */
static void
machine_tell_time (BerthMachine *self)
{
  berth_guest_identify_async (self->agent, "", 0, BERTH_MACHINE_IDENTITY_TIMEOUT_MS, NULL,
                              clock_set_cb, g_object_ref (self));
}

static void
clock_set_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BerthMachine) self = user_data;
  g_autoptr (GError) error = NULL;

  if (berth_guest_identify_finish (BERTH_GUEST (source), result, NULL, &error))
    return;
  if (g_error_matches (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE)
      && ++self->clock_attempts < IDENTITY_ATTEMPTS && self->agent != NULL)
    machine_tell_time (self);
  else if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED)) /* it has ended since */
    g_warning ("%s: its clock may be behind, for it was paused: %s", self->name, error->message);
}

void
berth_machine_set_clock (BerthMachine *self, gboolean was_paused)
{
  if (self->agent == NULL || (!was_paused && !berth_guest_takes_clock (self->agent)))
    return;
  self->clock_attempts = 0;
  machine_tell_time (self);
}

/* ---- what follows the greeting, by how it was started ---- */

static void
loaded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthMachine *self = g_task_get_source_object (task);
  GError *error = NULL;

  if (!berth_guest_ready_finish (BERTH_GUEST (source), result, &error))
    berth_machine_return_start_error (task, "the guest's interpreter did not come up", error);
  else
    berth_machine_rehearse (self, g_steal_pointer (&task));
}

/* A session goes on when it has proved again that it is nobody else: its domain may have been saved
 * and restored since, and who restores a file can do so twice. A warm one shows that it works, and
 * is paused again. */
static void
machine_take_up (BerthMachine *self, GTask *task)
{
  if (self->how == BERTH_MACHINE_COLD)
    berth_machine_identify (self, task);
  else if (berth_guest_was_identified (self->agent))
    {
      berth_machine_return_start_error (task, "it is not used",
                                        g_error_new_literal (BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                                                             "somebody's code may have run in it"));
      g_object_unref (task);
    }
  else
    {
      self->rehearsals = 0;
      berth_machine_rehearse (self, task);
    }
}

/* What a boot said, for the administrator; the caller's error has the last line of it. */
static void
machine_tell_console (BerthMachine *self)
{
  g_autofree char *console
      = berth_machine_boots (self) ? berth_machine_dup_console (self, CONSOLE_LINES) : NULL;
  const BerthEventSubject subject = { .template_name = berth_vm_get_template (self->vm),
                                      .domain = self->name,
                                      .domain_uuid = self->uuid };

  if (console != NULL)
    berth_event_log (G_LOG_LEVEL_MESSAGE, BERTH_EVENT_BOOT_FAILED, &subject,
                     "%s: the console of the boot that failed:\n%s", self->name, console);
}

/* The next attempt does not meet it. */
static void
machine_return_kvm_error (GTask *task, GError *error)
{
  BerthMachine *self = g_task_get_source_object (task);

  g_error_free (error);
  berth_machine_return_start_error (
      task, "the guest did not boot",
      g_error_new (BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                   "KVM can't be used, so the next one is emulated: %s", self->kvm_problem));
}

static void
greeted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthMachine *self = g_task_get_source_object (task);
  GCancellable *cancellable = g_task_get_cancellable (task);
  GError *error = NULL;

  g_clear_pointer (&self->boot_log, berth_boot_log_end);
  berth_machine_end_kvm_watch (self, berth_guest_hello_finish (self->agent, result, &error));
  if (error == NULL)
    g_clear_pointer (&self->kvm_problem, g_free); /* it came late, but it came */
  if (error != NULL)
    machine_tell_console (self);
  if (error != NULL && self->kvm_problem != NULL)
    machine_return_kvm_error (task, error);
  else if (error != NULL)
    berth_machine_return_start_error (
        task, self->is_adopted ? "its agent does not answer" : "the guest did not boot", error);
  else if (self->is_adopted)
    machine_take_up (self, g_steal_pointer (&task));
  else if (self->how == BERTH_MACHINE_COLD || self->how == BERTH_MACHINE_CLONE
           || self->how == BERTH_MACHINE_CHILD)
    berth_machine_identify (self, g_steal_pointer (&task));
  else
    berth_guest_ready_async (self->agent, berth_template_get_boot_timeout_s (self->template) * 1000,
                             cancellable, loaded_cb, g_steal_pointer (&task));
}

static void
machine_follow_boot (BerthMachine *self)
{
  g_autoptr (GOutputStream) boot_log = berth_machine_ref_boot_log (self);

  if (boot_log != NULL && self->console_path != NULL)
    self->boot_log = berth_boot_log_new (self->console_path, boot_log);
}

/* A session goes on with what it does, and a clone keeps the interpreter that has rehearsed. */
static guint32
machine_get_hello (BerthMachine *self)
{
  if (!self->is_adopted && self->how == BERTH_MACHINE_CHILD)
    return BERTH_HELLO_COPY;
  return self->is_adopted || berth_machine_is_clone (self) ? 0 : BERTH_HELLO_RESET;
}

static void
created_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BerthMachine *self = BERTH_MACHINE (source);
  Start *start = g_task_get_task_data (G_TASK (result));
  GCancellable *cancellable = g_task_get_cancellable (task);
  g_autoptr (GError) error = NULL;
  guint timeout_ms;

  BERTH_SYNC_ACQUIRE (start);
  g_free (self->console_path); /* one that was asleep may have been tried before */
  self->console_path = g_steal_pointer (&start->console_path);
  g_clear_pointer (&self->process, berth_process_free);
  self->process = g_steal_pointer (&start->process);
  if (start->domain_id != 0) /* of one that is adopted it is known before */
    self->domain_id = start->domain_id;
  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      if (error->domain == BERTH_TEMPLATE_ERROR)
        {
          error->domain = BERTH_ERROR;
          error->code = BERTH_ERROR_CONFIG;
        }
      g_prefix_error (&error, "%s: ", self->name);
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  self->running_us = g_get_monotonic_time ();
  if (!self->is_adopted && machine_greets_early (self))
    furnish_beside (self, g_task_get_task_data (task), G_TASK (result));
  machine_follow_boot (self);
  self->agent = berth_guest_new (start->socket);
  berth_guest_set_uuid (self->agent, berth_vm_get_id (self->vm)); /* the domain's is its place's */
  if (berth_machine_boots (self) && berth_connection_doubts_kvm (self->connection))
    berth_machine_watch_kvm (self);
  timeout_ms = berth_machine_boots (self)
                   ? berth_template_get_boot_timeout_s (self->template) * 1000
                   : CLONE_TIMEOUT_MS;
  berth_guest_hello_async (self->agent, machine_get_hello (self), timeout_ms, cancellable,
                           greeted_cb, g_steal_pointer (&task));
}

void
berth_machine_start_async (BerthMachine *self, BerthMachineStart how, BerthImages *images,
                           BerthSnapshot *snapshot, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) whole = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GTask) job = NULL;
  GTask *task = NULL;
  Start *start = g_new0 (Start, 1);

  g_task_set_source_tag (whole, berth_machine_start_async);
  berth_parts_init (whole);
  task = berth_parts_add (whole);
  g_task_set_task_data (task, whole, NULL); /* which it holds */
  job = g_task_new (self, cancellable, created_cb, task);
  self->how = how;
  self->begun_us = g_get_monotonic_time ();
  self->rehearsals = how == BERTH_MACHINE_RECORD ? REHEARSALS_RECORD : REHEARSALS_WARM;
  self->snapshot = snapshot != NULL ? berth_snapshot_ref (snapshot) : NULL;
  start->mark = berth_machine_make_mark (self);
  start->images = images != NULL ? berth_images_ref (images) : NULL; /* NULL: it is adopted */
  g_task_set_task_data (job, start, (GDestroyNotify)start_free);
  berth_connection_run (self->connection, BERTH_CONNECTION_START, job, create_job);
}

void
berth_machine_adopt_async (BerthMachine *self, BerthMachineStart how, BerthSnapshot *snapshot,
                           GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer user_data)
{
  g_assert (self->is_adopted);
  berth_machine_start_async (self, how, NULL, snapshot, cancellable, callback, user_data);
}

gboolean
berth_machine_start_finish (BerthMachine *self, GAsyncResult *result, GError **error)
{
  gboolean ok;

  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  self->ready_us = g_get_monotonic_time ();
  berth_machine_set_state (self, -1); /* it is loaded, and takes room on the disk */
  ok = g_task_propagate_boolean (G_TASK (result), error);
  self->is_asleep = self->is_asleep && !ok;
  return ok;
}

void
berth_machine_get_start_times (BerthMachine *self, gint64 *out_spawn_us, gint64 *out_connect_us)
{
  *out_spawn_us = self->running_us - self->begun_us;
  *out_connect_us = self->ready_us - self->running_us;
}
