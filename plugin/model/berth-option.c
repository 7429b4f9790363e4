/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of a request's options, and what follows from a row of it. */
#include "plugin/model/berth-option.h"

#include "agent/berth-protocol.h"
#include "plugin/base/berth-caller-fd.h"
#include "plugin/model/berth-limits.h"
#include "plugin/model/berth-port.h"
#include "pool/berth-error.h"
#include "pool/berth-request.h"

#define SANDBOX(field) BERTH_OPTION_SET_SANDBOX, G_STRUCT_OFFSET (BerthSandboxOptions, field)
#define SESSION(field) BERTH_OPTION_SET_SESSION, G_STRUCT_OFFSET (BerthSandboxOptions, field)
#define RUN(field) BERTH_OPTION_SET_RUN, G_STRUCT_OFFSET (BerthSandboxOptions, field)
#define FILES(field) BERTH_OPTION_SET_FILES, G_STRUCT_OFFSET (BerthExec, field)
#define BACKGROUND(field) BERTH_OPTION_SET_BACKGROUND, G_STRUCT_OFFSET (BerthExec, field)
#define EXEC(field) BERTH_OPTION_SET_EXEC, G_STRUCT_OFFSET (BerthExec, field)

static const BerthOption table[] = {
  { "template", BERTH_OPTION_NAME, SANDBOX (template_name), 0, 0, "template", "language", 'l',
    "LANG", BERTH_LANGUAGE_WORDS ", or the name of a template (default python)" },
  { "memory_mb", BERTH_OPTION_NUMBER, SANDBOX (memory_mb), BERTH_LIMIT_MEMORY_MIN_MB,
    BERTH_LIMIT_MEMORY_MB, "memory-mb", "memory", 'm', "MB",
    "MiB of memory, 128 and up (default by template)" },
  { "tenant", BERTH_OPTION_NAME, SANDBOX (tenant), 0, 0, "tenant", "tenant", 0, "NAME",
    "Who asks" },
  { "task", BERTH_OPTION_NAME, SANDBOX (task), 0, 0, "task", "task", 0, "NAME", "For what" },
  { "wait_ms", BERTH_OPTION_WAIT, SANDBOX (wait_us), -1, BERTH_LIMIT_WAIT_MS, "wait-ms",
    "wait-timeout", 0, "S", "Seconds to wait at capacity (default: berthd's setting)" },
  { "cold", BERTH_OPTION_FLAG, SANDBOX (is_cold), 0, 0, "cold", "cold", 0, NULL,
    "Boot a VM of its own: no warm one, no clone (slow, and --boot-log shows it)" },
  { "allow", BERTH_OPTION_TEXTS, SANDBOX (allow), 0, 0, "allow", "allow", 0, "NAME[:PORT[,PORT]]",
    "A name that programs may reach, as far as berthd's settings let it, at ports 80 and 443 if "
    "none "
    "is named; *.NAME is all below it; may be repeated (default: nothing)" },
  { "allow_all", BERTH_OPTION_FLAG, SANDBOX (allow_all), 0, 0, "allow-all", "allow-all", 0, NULL,
    "Programs may reach all that berthd's settings let any sandbox reach" },
  { "boot_log", BERTH_OPTION_STREAM, SANDBOX (boot_log), 0, 0, NULL, NULL, 0, NULL, NULL },
  { "ports", BERTH_OPTION_PORTS, SANDBOX (ports), 0, 0, NULL, "publish", 0,
    "[[ADDRESS:]LOCAL:]PORT | unix:PATH:PORT",
    "Have a port of the sandbox reached here: on 127.0.0.1 if no ADDRESS is given, at a free port "
    "if no LOCAL is; may be repeated" },
  { "attached", BERTH_OPTION_FLAG, SESSION (ends_with_caller), 0, 0, "attached", NULL, 0, NULL,
    NULL },
  { "builder", BERTH_OPTION_FLAG, SESSION (is_builder), 0, 0, "builder", NULL, 0, NULL, NULL },
  { "idle_timeout_ms", BERTH_OPTION_MILLISECONDS, SESSION (idle_timeout_ms),
    BERTH_LIMIT_IDLE_MIN_MS, BERTH_LIMIT_IDLE_MAX_MS, "idle-timeout-ms", "idle-timeout", 0, "S",
    "Seconds after which the sandbox ends when nobody uses it, 10 to 3600 (default, and at most: "
    "berthd's setting)" },
  { "idle_pause_ms", BERTH_OPTION_MILLISECONDS, SESSION (idle_pause_ms), BERTH_LIMIT_PAUSE_MIN_MS,
    BERTH_LIMIT_PAUSE_MAX_MS, "idle-pause-ms", "idle-pause", 0, "S",
    "Seconds after which the sandbox is paused when nobody uses it, 1 to 3600; the next request "
    "wakes it (default, and where that is not 0 at most: berthd's setting)" },
  { "idle_hibernate_ms", BERTH_OPTION_MILLISECONDS, SESSION (idle_hibernate_ms),
    BERTH_LIMIT_HIBERNATE_MIN_MS, BERTH_LIMIT_HIBERNATE_MAX_MS, "idle-hibernate-ms",
    "idle-hibernate", 0, "S",
    "Seconds after which the sandbox is hibernated when nobody uses it, 1 to 604800: it takes no "
    "place until it is used (default, and where that is not 0 at most: berthd's setting)" },
  { "wait_gone", BERTH_OPTION_FLAG, RUN (waits_gone), 0, 0, "wait-gone", NULL, 0, NULL, NULL },
  { "code", BERTH_OPTION_BYTES, EXEC (code), 0, 0, "code", NULL, 0, NULL, NULL },
  { "command", BERTH_OPTION_FLAG, EXEC (is_command), 0, 0, "command", "command", 'x', NULL,
    "What follows is a program and its arguments as they stand: no code, and no shell between" },
  { "entry", BERTH_OPTION_FLAG, EXEC (is_entry), 0, 0, "entry", NULL, 0, NULL, NULL },
  { "tty", BERTH_OPTION_TTY, EXEC (tty), 0, 0, NULL, NULL, 0, NULL, NULL },
  { "language", BERTH_OPTION_TEXT, EXEC (language), 0, 0, "language", NULL, 0, NULL, NULL },
  { "timeout_ms", BERTH_OPTION_MILLISECONDS, EXEC (timeout_ms), BERTH_TIMEOUT_MIN_MS,
    BERTH_TIMEOUT_MAX_MS, "timeout-ms", "timeout", 't', "S",
    "Seconds that the program may run, 1 to 86400 (default 30)" },
  { "env", BERTH_OPTION_TEXTS, EXEC (env), 0, 0, "environment", "env", 'e', "NAME=VALUE",
    "A variable of the program's environment; may be repeated" },
  { "workdir", BERTH_OPTION_TEXT, EXEC (workdir), 0, 0, "workdir", "workdir", 'w', "PATH",
    "The folder that the program starts in (default: the sandbox's home, or where its session "
    "is)" },
  { "suffix", BERTH_OPTION_TEXT, EXEC (suffix), 0, 0, "suffix", NULL, 0, NULL, NULL },
  { "script", BERTH_OPTION_FLAG, EXEC (is_script), 0, 0, NULL, NULL, 0, NULL, NULL },
  { "stdin", BERTH_OPTION_INPUT, EXEC (stdin_fd), 0, 0, NULL, NULL, 0, NULL, NULL },
  { "stdout", BERTH_OPTION_OUTPUT, EXEC (stdout_fd), 0, 0, NULL, NULL, 0, NULL, NULL },
  { "stderr", BERTH_OPTION_OUTPUT, EXEC (stderr_fd), 0, 0, NULL, NULL, 0, NULL, NULL },
  { "no_timeout", BERTH_OPTION_FLAG, BACKGROUND (has_no_limit), 0, 0, NULL, "no-timeout", 0, NULL,
    "With -d: no time limit, where berthd's settings allow that" },
  { "keep_stdin", BERTH_OPTION_FLAG, BACKGROUND (keeps_stdin), 0, 0, NULL, "interactive", 'i', NULL,
    "With -d: keep standard input open for 'berth attach -i'" },
  { "log_mb", BERTH_OPTION_NUMBER, BACKGROUND (log_mb), 1, BERTH_LOG_MAX_MB, "log-mb", "log", 0,
    "MB",
    "With -d: MiB of the newest output that are kept, 1 to 16, in the sandbox's memory (default "
    "1)" },
  { "uploads", BERTH_OPTION_INPUT, FILES (uploads_fd), 0, 0, NULL, NULL, 0, NULL, NULL },
  { "downloads", BERTH_OPTION_PATHS, FILES (downloads), 0, 0, NULL, NULL, 0, NULL, NULL },
  { "downloads_to", BERTH_OPTION_OUTPUT, FILES (downloads_fd), 0, 0, NULL, NULL, 0, NULL, NULL },
  { "max_bytes", BERTH_OPTION_SIZE, FILES (file_size_max), 0, 0, NULL, NULL, 0, NULL, NULL },
};

G_STATIC_ASSERT (G_N_ELEMENTS (table) == BERTH_OPTION_COUNT);

const BerthOption *
berth_option_table (void)
{
  return table;
}

const BerthOption *
berth_option_find (BerthOptionSet set, const char *key)
{
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    if ((table[i].set & set) != 0 && g_str_equal (table[i].key, key))
      return &table[i];
  return NULL;
}

const char *
berth_option_get_type (const BerthOption *option)
{
  static const char *const types[] = {
    [BERTH_OPTION_NAME] = "s",   [BERTH_OPTION_TEXT] = "s",   [BERTH_OPTION_TEXTS] = "as",
    [BERTH_OPTION_BYTES] = "ay", [BERTH_OPTION_NUMBER] = "u", [BERTH_OPTION_MILLISECONDS] = "u",
    [BERTH_OPTION_WAIT] = "x",   [BERTH_OPTION_FLAG] = "b",   [BERTH_OPTION_INPUT] = "h",
    [BERTH_OPTION_OUTPUT] = "h", [BERTH_OPTION_STREAM] = "h", [BERTH_OPTION_PATHS] = "aay",
    [BERTH_OPTION_SIZE] = "t",   [BERTH_OPTION_TTY] = "(uu)", [BERTH_OPTION_PORTS] = "a(hu)",
  };

  return types[option->kind];
}

G_GNUC_PRINTF (3, 4)
static gboolean
refuse (GError **error, const char *key, const char *format, ...)
{
  va_list arguments;
  g_autofree char *text = NULL;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "option \"%s\": %s", key, text);
  return FALSE;
}

static char *
dup_number_problem (const BerthOption *option, guint32 number)
{
  if (number >= option->min && number <= option->max)
    return NULL;
  if (option->kind == BERTH_OPTION_MILLISECONDS)
    return g_strdup_printf ("%g s: give %g to %g", number / 1000.0, option->min / 1000.0,
                            option->max / 1000.0);
  return g_strdup_printf ("%u MiB: give %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, number,
                          option->min, option->max);
}

char *
berth_option_dup_problem (const BerthOption *option, GVariant *value)
{
  const char *name;
  gint64 wait_ms;
  guint rows;
  guint columns;

  switch (option->kind)
    {
    case BERTH_OPTION_NAME:
      name = g_variant_get_string (value, NULL);
      return berth_request_name_is_valid (name)
                 ? NULL
                 : g_strdup_printf ("'%.40s': give 1 to %u letters, digits, _ and -", name,
                                    BERTH_REQUEST_NAME_MAX);
    case BERTH_OPTION_NUMBER:
    case BERTH_OPTION_MILLISECONDS:
      return dup_number_problem (option, g_variant_get_uint32 (value));
    case BERTH_OPTION_WAIT:
      wait_ms = g_variant_get_int64 (value);
      return wait_ms >= option->min && wait_ms <= option->max
                 ? NULL
                 : g_strdup_printf ("%" G_GINT64_FORMAT " ms: give -1 (for ever), or 0 to "
                                    "%" G_GINT64_FORMAT,
                                    wait_ms, option->max);
    case BERTH_OPTION_TTY:
      g_variant_get (value, "(uu)", &rows, &columns);
      return berth_tty_size_is_valid (rows, columns)
                 ? NULL
                 : g_strdup_printf ("%u rows and %u columns: give 1 to %u of each", rows, columns,
                                    BERTH_TTY_SIDE_MAX);
    default:
      return NULL; /* judged as a whole, by berth_exec_check() */
    }
}

gboolean
berth_option_take_fd (const char *key, GVariant *value, const BerthCallerFds *fds,
                      gboolean is_input, guint32 uid, int *out_fd, GError **error)
{
  int given;

  if (*out_fd >= 0)
    return refuse (error, key, "given twice");
  given = berth_caller_fds_get (fds, g_variant_get_handle (value), error);
  if (given >= 0)
    *out_fd = berth_caller_fd_take (given, is_input, uid, error);
  if (*out_fd < 0)
    g_prefix_error (error, "option \"%s\": ", key);
  return *out_fd >= 0;
}

static gboolean
take_stream (const BerthOption *option, GVariant *value, const BerthCallerFds *fds, guint32 uid,
             GOutputStream **field, GError **error)
{
  int fd = -1;
  gboolean ok = *field == NULL
                    ? berth_option_take_fd (option->key, value, fds, FALSE, uid, &fd, error)
                    : refuse (error, option->key, "given twice");

  if (ok)
    *field = berth_caller_fd_hold (fd);
  else if (fd >= 0)
    berth_caller_fd_close (fd);
  return ok;
}

static gboolean
take_port (const BerthOption *option, gint32 index, guint port, const BerthCallerFds *fds,
           guint32 uid, GArray *listeners, GError **error)
{
  BerthListener listener = { .fd = -1, .port = port };
  int given;

  if (port == 0 || port > G_MAXUINT16)
    return refuse (error, option->key, "port %u: give 1 to %u", port, G_MAXUINT16);
  given = berth_caller_fds_get (fds, index, error);
  listener.fd = given >= 0 ? berth_caller_fd_take_listener (given, uid, error) : -1;
  if (listener.fd < 0)
    {
      g_prefix_error (error, "option \"%s\": ", option->key);
      return FALSE;
    }
  g_array_append_val (listeners, listener);
  return TRUE;
}

static gboolean
take_ports (const BerthOption *option, GVariant *value, const BerthCallerFds *fds, guint32 uid,
            GArray **field, GError **error)
{
  GVariantIter iter;
  gint32 index;
  guint port;

  if (*field != NULL)
    return refuse (error, option->key, "given twice");
  if (g_variant_n_children (value) > BERTH_LIMIT_PORTS)
    return refuse (error, option->key, "more than %d ports", BERTH_LIMIT_PORTS);
  *field = berth_listeners_new ();
  g_variant_iter_init (&iter, value);
  while (g_variant_iter_next (&iter, "(hu)", &index, &port))
    if (!take_port (option, index, port, fds, uid, *field, error))
      return FALSE;
  return TRUE;
}

/* Of a value that is checked. A string of an exec is its own; a sandbox borrows its names. */
static void
fill (const BerthOption *option, GVariant *value, gpointer field)
{
  gint64 wait_ms;
  guint rows;
  guint columns;

  switch (option->kind)
    {
    case BERTH_OPTION_NAME:
      *(const char **)field = g_variant_get_string (value, NULL);
      break;
    case BERTH_OPTION_TEXT:
      g_free (*(char **)field);
      *(char **)field = g_variant_dup_string (value, NULL);
      break;
    case BERTH_OPTION_TEXTS:
      g_strfreev (*(char ***)field);
      *(char ***)field = g_variant_dup_strv (value, NULL);
      break;
    case BERTH_OPTION_PATHS:
      g_strfreev (*(char ***)field);
      *(char ***)field = g_variant_dup_bytestring_array (value, NULL);
      break;
    case BERTH_OPTION_SIZE:
      *(guint64 *)field = g_variant_get_uint64 (value);
      break;
    case BERTH_OPTION_TTY:
      g_variant_get (value, "(uu)", &rows, &columns);
      g_clear_pointer ((BerthTty **)field, berth_tty_unref);
      *(BerthTty **)field = berth_tty_new (rows, columns);
      break;
    case BERTH_OPTION_BYTES:
      g_clear_pointer ((GBytes **)field, g_bytes_unref);
      *(GBytes **)field = g_variant_get_data_as_bytes (value);
      break;
    case BERTH_OPTION_NUMBER:
    case BERTH_OPTION_MILLISECONDS:
      *(guint *)field = g_variant_get_uint32 (value);
      break;
    case BERTH_OPTION_WAIT:
      wait_ms = g_variant_get_int64 (value);
      *(gint64 *)field = wait_ms < 0 ? BERTH_REQUEST_WAIT_FOREVER : wait_ms * 1000;
      break;
    default:
      *(gboolean *)field = g_variant_get_boolean (value);
      break;
    }
}

gboolean
berth_option_take (const BerthOption *option, GVariant *value, const BerthCallerFds *fds,
                   BerthSandboxOptions *sandbox, BerthExec *exec, GError **error)
{
  gboolean is_of_exec
      = (option->set
         & (BERTH_OPTION_SET_EXEC | BERTH_OPTION_SET_FILES | BERTH_OPTION_SET_BACKGROUND))
        != 0;
  gpointer base = is_of_exec ? (gpointer)exec : (gpointer)sandbox;
  gpointer field = (guint8 *)base + option->offset;
  g_autofree char *problem = NULL;

  if (!g_variant_is_of_type (value, G_VARIANT_TYPE (berth_option_get_type (option))))
    return refuse (error, option->key, "is of type '%.16s', must be '%s'",
                   g_variant_get_type_string (value), berth_option_get_type (option));
  problem = berth_option_dup_problem (option, value);
  if (problem != NULL)
    return refuse (error, option->key, "%s", problem);
  if (option->kind == BERTH_OPTION_INPUT || option->kind == BERTH_OPTION_OUTPUT)
    return berth_option_take_fd (option->key, value, fds, option->kind == BERTH_OPTION_INPUT,
                                 sandbox->uid, field, error);
  if (option->kind == BERTH_OPTION_STREAM)
    return take_stream (option, value, fds, sandbox->uid, field, error);
  if (option->kind == BERTH_OPTION_PORTS)
    return take_ports (option, value, fds, sandbox->uid, field, error);
  fill (option, value, field);
  return TRUE;
}

/* D-Bus strings are UTF-8; a caller's may be any bytes. */
static gboolean
is_utf8 (const GValue *value)
{
  char **texts = G_VALUE_HOLDS (value, G_TYPE_STRV) ? g_value_get_boxed (value) : NULL;

  if (G_VALUE_HOLDS_STRING (value))
    return g_utf8_validate (g_value_get_string (value), -1, NULL);
  for (guint i = 0; texts != NULL && texts[i] != NULL; i++)
    if (!g_utf8_validate (texts[i], -1, NULL))
      return FALSE;
  return TRUE;
}

/* (transfer floating) */
static GVariant *
value_to_variant (const BerthOption *option, const GValue *value)
{
  switch (option->kind)
    {
    case BERTH_OPTION_TEXTS:
      return g_variant_new_strv (g_value_get_boxed (value), -1);
    case BERTH_OPTION_BYTES:
      return g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, g_value_get_boxed (value), TRUE);
    case BERTH_OPTION_NUMBER:
    case BERTH_OPTION_MILLISECONDS:
      return g_variant_new_uint32 (g_value_get_uint (value));
    case BERTH_OPTION_WAIT:
      return g_variant_new_int64 (g_value_get_int64 (value));
    case BERTH_OPTION_FLAG:
      return g_variant_new_boolean (g_value_get_boolean (value));
    default:
      return g_variant_new_string (g_value_get_string (value));
    }
}

static gboolean
write_property (const BerthOption *option, GObject *object, GVariantDict *options, GError **error)
{
  GParamSpec *spec = g_object_class_find_property (G_OBJECT_GET_CLASS (object), option->property);
  g_auto (GValue) value = G_VALUE_INIT;
  g_autoptr (GVariant) told = NULL;
  g_autofree char *problem = NULL;

  g_object_get_property (object, option->property, &value);
  if (g_param_value_defaults (spec, &value))
    return TRUE;
  if (!is_utf8 (&value))
    return refuse (error, option->key, "is not UTF-8");
  told = g_variant_ref_sink (value_to_variant (option, &value));
  problem = berth_option_dup_problem (option, told);
  if (problem != NULL)
    return refuse (error, option->key, "%s", problem);
  g_variant_dict_insert_value (options, option->key, told);
  return TRUE;
}

gboolean
berth_option_write_object (BerthOptionSet set, GObject *object, GVariantDict *options,
                           GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    if ((table[i].set & set) != 0 && table[i].property != NULL
        && !write_property (&table[i], object, options, error))
      return FALSE;
  return TRUE;
}

gboolean
berth_option_check_program (GVariant *values, GError **error)
{
  g_autoptr (GBytes) nothing = g_bytes_new (NULL, 0);
  g_autoptr (BerthExec) exec = berth_exec_new (nothing);

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (values, table[i].key, NULL);

      if (value != NULL && table[i].set == BERTH_OPTION_SET_EXEC
          && !berth_option_take (&table[i], value, NULL, NULL, exec, error))
        return FALSE;
    }
  return berth_exec_check (exec, error);
}
