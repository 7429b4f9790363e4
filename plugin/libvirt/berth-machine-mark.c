/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what a machine's domain says of it to who looks, and to the next berthd; and when. */
#include "berth-machine-private.h"

#include "berth-domain.h"
#include "berth-libvirt-error.h"
#include "plugin/base/berth-source.h"
#include "plugin/host/berth-purpose.h"

/* A short program is over by then; an administrator who looks has not blinked yet. */
#define RUN_MARK_DELAY_MS 250u
/* From a mark that libvirt did not take to the next attempt; doubled with each, up to a minute */
#define MARK_AGAIN_MS 500u
#define MARK_AGAIN_MAX_MS 60000u

/* A session is one as soon as its owner has it. Until then nobody knows its id, and what a berthd
 * that dies in between leaves is ended by the next, whatever state its domain is in: so one that is
 * marked a session and paused was paused while it was its owner's. */
static const char *
state_of (BerthRequest *request, gboolean is_owned)
{
  if (request == NULL)
    return BERTH_MARK_STATE_WARM;
  if (berth_purpose_of (request)->snapshot_name != NULL)
    return BERTH_MARK_STATE_SNAPSHOT;
  return berth_purpose_of (request)->is_session && is_owned ? BERTH_MARK_STATE_SESSION
                                                            : BERTH_MARK_STATE_RUN;
}

/* (nullable): of a session: the next berthd has to know */
static char *
dup_allow (const BerthPurpose *purpose)
{
  return purpose->is_session && purpose->allow != NULL && purpose->allow[0] != NULL
             ? g_strjoinv (" ", (char **)purpose->allow)
             : NULL;
}

BerthMark *
berth_machine_make_mark (BerthMachine *self)
{
  g_autoptr (BerthRequest) request = berth_vm_dup_request (self->vm);
  BerthMark *mark = g_new0 (BerthMark, 1);

  mark->instance = g_strdup (self->instance);
  mark->id = g_strdup (berth_vm_get_id (self->vm));
  mark->template_name = g_strdup (berth_vm_get_template (self->vm));
  mark->language = g_strdup (self->language);
  mark->state = g_strdup (state_of (request, self->is_owned));
  mark->snapshot
      = self->snapshot != NULL ? g_strdup (berth_snapshot_get_key (self->snapshot)) : NULL;
  mark->tenant = request != NULL ? g_strdup (request->tenant) : NULL;
  mark->task = request != NULL ? g_strdup (request->task) : NULL;
  mark->fork_of = g_strdup (berth_purpose_of (request)->parent);
  mark->checkpoint = g_strdup (berth_purpose_of (request)->checkpoint);
  mark->uid = request != NULL ? request->uid : G_MAXUINT32;
  mark->idle_timeout_ms = berth_purpose_of (request)->idle_timeout_ms;
  mark->idle_pause_ms = berth_purpose_of (request)->idle_pause_ms;
  mark->idle_hibernate_ms = berth_purpose_of (request)->idle_hibernate_ms;
  mark->generation = berth_purpose_of (request)->generation;
  mark->allow = dup_allow (berth_purpose_of (request));
  mark->created = self->created;
  mark->process = g_strdup (self->marked_process);
  return mark;
}

static void
mark_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthMachine *self = source;
  BerthMark *mark = task_data;
  g_autofree char *xml = berth_mark_to_metadata (mark);
  g_autofree char *title = berth_mark_to_title (mark);
  g_autoptr (GError) error = NULL;
  g_auto (virConnectPtr) connection
      = berth_connection_ref_connection (self->connection, BERTH_CONNECTION_CONTROL, &error);

  if (connection != NULL && berth_domain_set_mark (connection, self->uuid, xml, title, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void machine_send_mark (BerthMachine *self);
static void
machine_mark_async (BerthMachine *self, GAsyncReadyCallback callback, gpointer user_data);

const char *
berth_machine_get_process_id (BerthMachine *self)
{
  return self->process != NULL ? berth_process_get_id (self->process) : NULL;
}

static gboolean
mark_later_cb (gpointer user_data)
{
  BerthMachine *self = user_data;

  g_clear_pointer (&self->mark_source, g_source_unref);
  machine_send_mark (self);
  return G_SOURCE_REMOVE;
}

static void
machine_send_mark_later (BerthMachine *self, guint delay_ms)
{
  berth_source_clear (&self->mark_source);
  self->mark_source = g_timeout_source_new (delay_ms);
  g_source_set_callback (self->mark_source, mark_later_cb, self, NULL);
  g_source_attach (self->mark_source, g_main_context_get_thread_default ());
}

static void
answer_settlers (GPtrArray *settlers, const GError *error)
{
  for (guint i = 0; i < settlers->len; i++)
    if (error == NULL)
      g_task_return_boolean (settlers->pdata[i], TRUE);
    else
      g_task_return_error (settlers->pdata[i], g_error_copy (error));
}

static void
settled_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMachine *self = BERTH_MACHINE (source);
  g_autoptr (GPtrArray) settlers = user_data;
  g_autoptr (GError) error = NULL;

  if (g_task_propagate_boolean (G_TASK (result), &error))
    {
      self->is_marked = TRUE;
      self->mark_again_ms = 0;
      berth_source_clear (&self->mark_source); /* which would send it again */
    }
  answer_settlers (settlers, error);
}

/* Who waits for its mark has it, or it is sent once more, for all of them. */
static void
machine_settle (BerthMachine *self)
{
  g_autoptr (GPtrArray) settlers = NULL;

  if (self->marks > 0)
    return;
  settlers = g_steal_pointer (&self->settlers);
  if (settlers == NULL)
    return;
  if (self->is_marked)
    answer_settlers (settlers, NULL);
  else
    machine_mark_async (self, settled_cb, g_steal_pointer (&settlers));
}

/* What a domain is not marked with is not found again: a session would be ended by the next berthd.
 * A VM that has gone meanwhile needs no mark. */
static void
marked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BerthMachine *self = BERTH_MACHINE (source);
  g_autoptr (GError) error = NULL;

  self->marks--;
  self->is_marked = g_task_propagate_boolean (G_TASK (result), &error);
  machine_settle (self);
  if (error == NULL)
    {
      self->mark_again_ms = 0;
      return;
    }
  if (self->has_no_more_marks || self->mark_source != NULL)
    return;
  self->mark_again_ms = CLAMP (2 * self->mark_again_ms, MARK_AGAIN_MS, MARK_AGAIN_MAX_MS);
  g_message ("%s: %s; its mark is sent again in %g s", self->name, error->message,
             self->mark_again_ms / 1000.0);
  machine_send_mark_later (self, self->mark_again_ms);
}

static void
machine_mark_async (BerthMachine *self, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  const char *process = berth_machine_get_process_id (self);

  if (process != NULL)
    {
      g_free (self->marked_process);
      self->marked_process = g_strdup (process);
    }
  g_task_set_task_data (task, berth_machine_make_mark (self), (GDestroyNotify)berth_mark_free);
  berth_connection_run (self->connection, BERTH_CONNECTION_CONTROL, task, mark_job);
}

void
berth_machine_settle_async (BerthMachine *self, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, NULL, callback, user_data);

  if (self->settlers == NULL)
    self->settlers = g_ptr_array_new_with_free_func (g_object_unref);
  g_ptr_array_add (self->settlers, task);
  machine_settle (self);
}

gboolean
berth_machine_settle_finish (BerthMachine *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
machine_send_mark (BerthMachine *self)
{
  self->marks++;
  machine_mark_async (self, marked_cb, NULL);
}

void
berth_machine_note_process (BerthMachine *self)
{
  g_autoptr (BerthRequest) request = berth_vm_dup_request (self->vm);
  const char *process = berth_machine_get_process_id (self);

  if (request != NULL && berth_purpose_of (request)->is_session && process != NULL
      && g_strcmp0 (self->marked_process, process) != 0)
    machine_send_mark (self);
}

/* The mark of a session is what finds it again after a crash; that of a run is for who looks, and
 * most runs are over before anybody could: libvirt's work for it would only slow them down. */
void
berth_machine_update_mark (BerthMachine *self)
{
  g_autoptr (BerthRequest) request = berth_vm_dup_request (self->vm);

  self->is_owned = TRUE;
  if (request == NULL || berth_purpose_of (request)->is_session)
    {
      machine_send_mark (self);
      return;
    }
  machine_send_mark_later (self, RUN_MARK_DELAY_MS);
}
