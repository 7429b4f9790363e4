/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One VM as libvirt has it: its domain, its agent, the steps of its start and its end. */
#include "berth-machine.h"

#include <unistd.h>

#include "berth-domain.h"
#include "berth-libvirt-error.h"
#include "pool/berth-request.h"

/* An agent that has greeted us answers within milliseconds; on a busy host under TCG within a
 * second (measured: 0.65 ms idle, design.md). */
#define IDENTITY_TIMEOUT_MS 10000u
#define CONSOLE_TAIL_BYTES 16384

struct _BerthMachine
{
  GObject parent;
  BerthVm *vm;
  BerthTemplate *template;
  BerthLink *link;
  char *instance;
  char *name;
  char *uuid;
  char *console_path;
  BerthAgent *agent;
};

G_DEFINE_FINAL_TYPE (BerthMachine, berth_machine, G_TYPE_OBJECT)

static void
berth_machine_finalize (GObject *object)
{
  BerthMachine *self = BERTH_MACHINE (object);

  g_clear_object (&self->agent);
  g_object_unref (self->vm);
  berth_template_unref (self->template);
  g_object_unref (self->link);
  g_free (self->instance);
  g_free (self->name);
  g_free (self->uuid);
  g_free (self->console_path);
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
}

BerthMachine *
berth_machine_new (BerthVm *vm, BerthTemplate *template, BerthLink *link, const char *instance,
                   const char *name)
{
  BerthMachine *self = g_object_new (BERTH_TYPE_MACHINE, NULL);

  self->vm = g_object_ref (vm);
  self->template = berth_template_ref (template);
  self->link = g_object_ref (link);
  self->instance = g_strdup (instance);
  self->name = g_strdup (name);
  self->uuid = g_uuid_string_random ();
  return self;
}

BerthVm *
berth_machine_get_vm (BerthMachine *self)
{
  return self->vm;
}

BerthTemplate *
berth_machine_get_template (BerthMachine *self)
{
  return self->template;
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

BerthAgent *
berth_machine_get_agent (BerthMachine *self)
{
  return self->agent;
}

/* What the worker thread needs and what it brings back; the machine itself stays with its thread. */
typedef struct
{
  BerthMark *mark;
  BerthImages *images;
  char *console_path;
  GSocket *socket;
} Start;

static void
start_free (Start *start)
{
  berth_mark_free (start->mark);
  berth_images_unref (start->images);
  g_free (start->console_path);
  g_clear_object (&start->socket);
  g_free (start);
}

static BerthMark *
machine_make_mark (BerthMachine *self)
{
  g_autoptr(BerthRequest) request = berth_vm_dup_request (self->vm);
  BerthMark *mark = g_new0 (BerthMark, 1);

  mark->instance = g_strdup (self->instance);
  mark->id = g_strdup (berth_vm_get_id (self->vm));
  mark->template_name = g_strdup (berth_template_get_name (self->template));
  mark->state = g_strdup (request != NULL ? "claimed" : "warm");
  mark->tenant = request != NULL ? g_strdup (request->tenant) : NULL;
  mark->task = request != NULL ? g_strdup (request->task) : NULL;
  mark->uid = request != NULL ? request->uid : G_MAXUINT32;
  mark->created = g_get_real_time () / G_USEC_PER_SEC;
  return mark;
}

static char *
machine_make_xml (BerthMachine *self, virConnectPtr connection, Start *start, GError **error)
{
  g_auto(GStrv) layers = berth_images_dup_layers (
      start->images, berth_template_get_layers (self->template), error);
  BerthDomainParams params = {
    .mark = start->mark,
    .name = self->name,
    .uuid = self->uuid,
    .memory_mb = berth_vm_get_memory_mb (self->vm),
    .vcpus = berth_vm_get_vcpus (self->vm),
    .kernel = berth_images_get_kernel (start->images),
    .initramfs = berth_images_get_initramfs (start->images),
    .skip_cpu_probe
    = berth_template_wants_skip_cpu_probe (berth_link_get_libvirt_version (self->link)),
  };

  if (layers == NULL)
    return NULL;
  params.domain_type = berth_domain_best_type (connection);
  params.layers = (const char *const *) layers;
  return berth_template_instantiate (self->template, &params, error);
}

static gboolean
create_domain (BerthMachine *self, Start *start, GCancellable *cancellable, GError **error)
{
  g_auto(virConnectPtr) connection
      = berth_link_ref_connection (self->link, BERTH_LINK_START, error);
  g_autofree char *xml = NULL;
  g_autofree char *live_xml = NULL;
  g_autofree char *path = NULL;

  if (connection == NULL || g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  if (berth_domain_is_name_taken (connection, self->name))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "a domain %s exists", self->name);
      return FALSE;
    }
  xml = machine_make_xml (self, connection, start, error);
  if (xml == NULL || !berth_domain_start (connection, xml, &live_xml, error))
    return FALSE;
  start->console_path = berth_domain_dup_console_path (live_xml);
  path = berth_domain_dup_channel_path (live_xml, BERTH_PROTOCOL_PORT);
  start->socket = berth_domain_connect_port (connection, self->uuid, path, BERTH_PROTOCOL_PORT,
                                             error);
  return start->socket != NULL;
}

static void
create_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  g_autoptr(GError) error = NULL;

  if (create_domain (source, task_data, cancellable, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static gboolean
is_console_text (gunichar character)
{
  return character == '\n' || character == '\t' || g_unichar_isprint (character);
}

/* Guests write their console: nothing of it may steer a terminal. */
static void
make_printable (char *text)
{
  char *out = text;

  for (const char *in = text; *in != '\0'; in = g_utf8_next_char (in))
    if (is_console_text (g_utf8_get_char (in)))
      {
        gsize size = (gsize) (g_utf8_next_char (in) - in);

        memmove (out, in, size);
        out += size;
      }
  *out = '\0';
}

static char *
read_tail (const char *path)
{
  g_autoptr(GFile) file = g_file_new_for_path (path);
  g_autoptr(GFileInputStream) stream = g_file_read (file, NULL, NULL);
  g_autofree char *bytes = g_malloc (CONSOLE_TAIL_BYTES);
  gsize size = 0;

  if (stream == NULL)
    return NULL;
  if (!g_seekable_seek (G_SEEKABLE (stream), -CONSOLE_TAIL_BYTES, G_SEEK_END, NULL, NULL))
    g_seekable_seek (G_SEEKABLE (stream), 0, G_SEEK_SET, NULL, NULL);
  if (!g_input_stream_read_all (G_INPUT_STREAM (stream), bytes, CONSOLE_TAIL_BYTES, &size, NULL,
                                NULL))
    return NULL;
  return g_utf8_make_valid (bytes, (gssize) size);
}

char *
berth_machine_dup_console (BerthMachine *self, guint lines)
{
  g_autofree char *text = self->console_path != NULL ? read_tail (self->console_path) : NULL;
  char *begin;

  if (text == NULL)
    return NULL;
  make_printable (text);
  g_strchomp (text);
  begin = text + strlen (text);
  while (begin > text && lines > 0)
    if (*--begin == '\n' && --lines == 0)
      begin++;
  return *begin != '\0' ? g_strdup (begin) : NULL;
}

/* Says which VM it was, and what it said last. */
static void
machine_explain (BerthMachine *self, const char *doing, GError **error)
{
  g_autofree char *last = berth_machine_dup_console (self, 1);

  if (last != NULL)
    {
      g_autofree char *told = g_strdup ((*error)->message); /* lint: error-deref: never NULL here */

      g_clear_pointer (&(*error)->message, g_free);
      (*error)->message = g_strdup_printf ("%s; its console ends with \"%s\"", told, last);
    }
  g_prefix_error (error, "%s: %s: ", self->name, doing);
}

/* What went wrong on the channel of a guest that has run no code yet: another VM may do. */
static void
return_start_error (GTask *task, const char *doing, GError *reason)
{
  BerthMachine *self = g_task_get_source_object (task);
  g_autoptr(GError) error = reason;

  if (error->domain != BERTH_ERROR && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      error->domain = BERTH_ERROR;
      error->code = BERTH_ERROR_UNAVAILABLE;
    }
  machine_explain (self, doing, &error);
  g_task_return_error (task, g_steal_pointer (&error));
}

static void
identified_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr(GTask) task = user_data;
  GError *error = NULL;

  if (!berth_agent_identify_finish (BERTH_AGENT (source), result, NULL, &error))
    return_start_error (task, "the guest did not take its identity", error);
  else
    g_task_return_boolean (task, TRUE);
}

static void
greeted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr(GTask) task = user_data;
  BerthMachine *self = g_task_get_source_object (task);
  GError *error = NULL;

  if (!berth_agent_hello_finish (BERTH_AGENT (source), result, &error))
    return_start_error (task, "the guest did not boot", error);
  else
    berth_agent_identify_async (BERTH_AGENT (source), self->name, IDENTITY_TIMEOUT_MS,
                                g_task_get_cancellable (task), identified_cb,
                                g_steal_pointer (&task));
}

static void
created_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr(GTask) task = user_data;
  BerthMachine *self = BERTH_MACHINE (source);
  Start *start = g_task_get_task_data (G_TASK (result));
  g_autoptr(GError) error = NULL;

  self->console_path = g_steal_pointer (&start->console_path);
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
  self->agent = berth_agent_new (start->socket);
  berth_agent_hello_async (self->agent, TRUE,
                           berth_template_get_boot_timeout_s (self->template) * 1000,
                           g_task_get_cancellable (task), greeted_cb, g_steal_pointer (&task));
}

void
berth_machine_start_async (BerthMachine *self, BerthImages *images, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr(GTask) job = g_task_new (self, cancellable, created_cb, task);
  Start *start = g_new0 (Start, 1);

  g_task_set_source_tag (task, berth_machine_start_async);
  start->mark = machine_make_mark (self);
  start->images = berth_images_ref (images);
  g_task_set_task_data (job, start, (GDestroyNotify) start_free);
  berth_link_run (self->link, BERTH_LINK_START, job, create_job);
}

gboolean
berth_machine_start_finish (BerthMachine *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
end_job (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  BerthMachine *self = source;
  g_autoptr(GError) error = NULL;
  g_auto(virConnectPtr) connection
      = berth_link_ref_connection (self->link, BERTH_LINK_DESTROY, &error);

  if (connection != NULL && berth_domain_end (connection, self->uuid, &error))
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  g_prefix_error (&error, "%s: ", self->name);
  g_task_return_error (task, g_steal_pointer (&error));
}

void
berth_machine_end_async (BerthMachine *self, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr(GTask) task = g_task_new (self, NULL, callback, user_data);

  g_task_set_source_tag (task, berth_machine_end_async);
  if (self->agent != NULL)
    berth_agent_close (self->agent);
  g_clear_object (&self->agent);
  berth_link_run (self->link, BERTH_LINK_DESTROY, task, end_job);
}

gboolean
berth_machine_end_finish (BerthMachine *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}
