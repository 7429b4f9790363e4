/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is run in a sandbox, and who holds which end of its streams: the program's ends belong to
 * the BerthProgram until it is run, and leave this process then, so that streams end. */
#include "plugin/model/berth-program-private.h"

#include <string.h>
#include <unistd.h>

#include "plugin/base/berth-pipe.h"
#include "plugin/model/berth-file-request.h"
#include "plugin/model/berth-option.h"
#include "pool/berth-error.h"

#define N_STREAMS 3

/**
 * BerthProgram:
 *
 * What is run in a sandbox: code, its language, its environment, its time limit, and where its
 * streams go.
 *
 * Without more, a program reads end-of-file and its output is captured in the [struct@Result].
 * [method@Program.open_stdout] and its like give live streams instead, and
 * [method@Program.set_stdout_fd] and its like hand over descriptors.
 *
 * Files go along with a run: what [method@Program.add_upload] names is there when the program
 * starts, and what [method@Program.add_download] names comes back in the result.
 *
 * A program with live streams or descriptors is run once. Another one may be run many times, also
 * at once, as long as nobody changes it meanwhile.
 */
struct _BerthProgram
{
  GObject parent_instance;
  GBytes *code;
  gboolean is_command;
  gboolean is_entry;
  BerthTty *tty; /* nullable */
  char *language;
  guint timeout_ms;
  char **environment;
  char *workdir;
  char *suffix;
  guint log_mb;
  GPtrArray *uploads;   /* BerthUpload */
  GPtrArray *downloads; /* char */
  guint64 download_max; /* bytes, of all of them */
  int fds[N_STREAMS];   /* the program's ends, -1 for none */
  gboolean was_run;     /* with streams, which are gone now */
};

G_DEFINE_FINAL_TYPE (BerthProgram, berth_program, G_TYPE_OBJECT)

enum
{
  PROP_CODE = 1,
  PROP_COMMAND,
  PROP_ENTRY,
  PROP_LANGUAGE,
  PROP_TIMEOUT_MS,
  PROP_ENVIRONMENT,
  PROP_WORKDIR,
  PROP_SUFFIX,
  PROP_LOG_MB,
  N_PROPS,
};
static GParamSpec *properties[N_PROPS]; /* lint: file-scope: set once in class_init */

/* the options' names on D-Bus, by descriptor */
static const char *const stream_keys[N_STREAMS] = { "stdin", "stdout", "stderr" };

BerthUpload *
berth_upload_copy (const BerthUpload *self)
{
  BerthUpload *copy = g_new0 (BerthUpload, 1);

  copy->path = g_strdup (self->path);
  copy->content = g_bytes_ref (self->content);
  copy->mode = self->mode;
  return copy;
}

void
berth_upload_free (BerthUpload *self)
{
  g_free (self->path);
  g_bytes_unref (self->content);
  g_free (self);
}

static void
berth_program_finalize (GObject *object)
{
  BerthProgram *self = BERTH_PROGRAM (object);

  for (int i = 0; i < N_STREAMS; i++)
    berth_pipe_close (&self->fds[i]);
  g_clear_pointer (&self->code, g_bytes_unref);
  g_clear_pointer (&self->tty, berth_tty_unref);
  g_free (self->language);
  g_strfreev (self->environment);
  g_free (self->workdir);
  g_free (self->suffix);
  g_ptr_array_unref (self->uploads);
  g_ptr_array_unref (self->downloads);
  G_OBJECT_CLASS (berth_program_parent_class)->finalize (object);
}

static void
berth_program_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  BerthProgram *self = BERTH_PROGRAM (object);

  switch (id)
    {
    case PROP_CODE:
      g_value_set_boxed (value, self->code);
      break;
    case PROP_COMMAND:
      g_value_set_boolean (value, self->is_command);
      break;
    case PROP_ENTRY:
      g_value_set_boolean (value, self->is_entry);
      break;
    case PROP_LANGUAGE:
      g_value_set_string (value, self->language);
      break;
    case PROP_TIMEOUT_MS:
      g_value_set_uint (value, self->timeout_ms);
      break;
    case PROP_ENVIRONMENT:
      g_value_set_boxed (value, self->environment);
      break;
    case PROP_WORKDIR:
      g_value_set_string (value, self->workdir);
      break;
    case PROP_SUFFIX:
      g_value_set_string (value, self->suffix);
      break;
    case PROP_LOG_MB:
      g_value_set_uint (value, self->log_mb);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
berth_program_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  BerthProgram *self = BERTH_PROGRAM (object);

  switch (id)
    {
    case PROP_CODE:
      g_clear_pointer (&self->code, g_bytes_unref);
      self->code = g_value_dup_boxed (value);
      break;
    case PROP_COMMAND:
      self->is_command = g_value_get_boolean (value);
      break;
    case PROP_ENTRY:
      self->is_entry = g_value_get_boolean (value);
      break;
    case PROP_LANGUAGE:
      g_free (self->language);
      self->language = g_value_dup_string (value);
      break;
    case PROP_TIMEOUT_MS:
      self->timeout_ms = g_value_get_uint (value);
      break;
    case PROP_ENVIRONMENT:
      g_strfreev (self->environment);
      self->environment = g_value_dup_boxed (value);
      break;
    case PROP_WORKDIR:
      g_free (self->workdir);
      self->workdir = g_value_dup_string (value);
      break;
    case PROP_SUFFIX:
      g_free (self->suffix);
      self->suffix = g_value_dup_string (value);
      break;
    case PROP_LOG_MB:
      self->log_mb = g_value_get_uint (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
berth_program_class_init (BerthProgramClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;

  object_class->finalize = berth_program_finalize;
  object_class->get_property = berth_program_get_property;
  object_class->set_property = berth_program_set_property;
  /**
   * BerthProgram:code:
   *
   * The program's text: 1 byte to 1 MiB, not only white space, no NUL.
   */
  properties[PROP_CODE] = g_param_spec_boxed ("code", NULL, NULL, G_TYPE_BYTES, flags);
  /**
   * BerthProgram:command:
   *
   * Whether [property@Program:code] is a program and its arguments, a NUL behind each: see
   * [ctor@Program.new_for_command].
   */
  properties[PROP_COMMAND]
      = g_param_spec_boolean ("command", NULL, NULL, FALSE,
                              G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  /**
   * BerthProgram:entry:
   *
   * Whether it is the template's own entry point: see [ctor@Program.new_for_entry].
   */
  properties[PROP_ENTRY]
      = g_param_spec_boolean ("entry", NULL, NULL, FALSE,
                              G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  /**
   * BerthProgram:language: (setter set_language)
   *
   * Its name, as "python"; %NULL for the template's own.
   */
  properties[PROP_LANGUAGE] = g_param_spec_string ("language", NULL, NULL, NULL, flags);
  /**
   * BerthProgram:timeout-ms: (setter set_timeout_ms)
   *
   * The time limit in milliseconds, counted from the moment that the code starts: 1,000 to
   * 86,400,000; 0 for the default, 30 seconds.
   */
  properties[PROP_TIMEOUT_MS]
      = g_param_spec_uint ("timeout-ms", NULL, NULL, 0, G_MAXUINT, 0, flags);
  /**
   * BerthProgram:environment: (setter set_environment)
   *
   * Variables for this program alone, "NAME=VALUE" each, at most 100.
   */
  properties[PROP_ENVIRONMENT] = g_param_spec_boxed ("environment", NULL, NULL, G_TYPE_STRV, flags);
  /**
   * BerthProgram:workdir: (setter set_workdir)
   *
   * The guest's folder that the program starts in: absolute, or below its home. %NULL for the home,
   * or for where the session is. A session stays in it, as after a cd of its own.
   */
  properties[PROP_WORKDIR] = g_param_spec_string ("workdir", NULL, NULL, NULL, flags);
  /**
   * BerthProgram:suffix: (setter set_suffix)
   *
   * Of the file that the code is from, as ".mjs": of a run in JavaScript, that is a module, and
   * ".cjs" is none, whatever the code looks like. %NULL, or any other: by the code.
   */
  properties[PROP_SUFFIX] = g_param_spec_string ("suffix", NULL, NULL, NULL, flags);
  /**
   * BerthProgram:log-mb: (setter set_log_mb)
   *
   * How much of the newest output is kept where it is begun by [method@Client.start_async]: 1 to 16
   * MiB, which count as the sandbox's memory; 0 for the default, 1 MiB.
   */
  properties[PROP_LOG_MB] = g_param_spec_uint ("log-mb", NULL, NULL, 0, G_MAXUINT, 0, flags);
  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
berth_program_init (BerthProgram *self)
{
  self->uploads = g_ptr_array_new_with_free_func ((GDestroyNotify)berth_upload_free);
  self->downloads = g_ptr_array_new_with_free_func (g_free);
  self->download_max = BERTH_FILE_SIZE_MAX_DEFAULT;
  for (int i = 0; i < N_STREAMS; i++)
    self->fds[i] = -1;
}

/**
 * berth_program_new:
 * @code: the program's text
 *
 * Code that is text, in UTF-8.
 *
 * Returns: (transfer full): a program with defaults for the rest
 */
BerthProgram *
berth_program_new (const char *code)
{
  g_autoptr (GBytes) bytes = NULL;

  g_return_val_if_fail (code != NULL, NULL);

  bytes = g_bytes_new (code, strlen (code));
  return berth_program_new_for_bytes (bytes);
}

/**
 * berth_program_new_for_bytes:
 * @code: the program's text
 *
 * Code in whatever encoding its language reads.
 *
 * Returns: (transfer full): a program with defaults for the rest
 */
BerthProgram *
berth_program_new_for_bytes (GBytes *code)
{
  return g_object_new (BERTH_TYPE_PROGRAM, "code", code, NULL);
}

/**
 * berth_program_new_for_command:
 * @argv: (array zero-terminated=1) (element-type filename): a program of the sandbox and its
 * arguments, at most 4,096 and 128 KiB of them
 *
 * A program of the sandbox's own, executed as it stands: no interpreter and no shell between. A
 * name without a slash is looked for in the PATH of its environment. One that is not there ends
 * with 127, one that can't be run with 126, and says so on its standard error.
 *
 * In a sandbox that stays it runs at once, also while code runs in the sandbox's interpreter, in
 * the home or in [property@Program:workdir]: up to 16 at a time, one more fails with
 * %BERTH_ERROR_NO_CAPACITY. What it leaves behind ends with it.
 *
 * Returns: (transfer full): a program with defaults for the rest
 */
BerthProgram *
berth_program_new_for_command (const char *const *argv)
{
  g_autoptr (GBytes) code = NULL;

  g_return_val_if_fail (argv != NULL, NULL);

  code = berth_exec_pack_command (argv);
  return g_object_new (BERTH_TYPE_PROGRAM, "code", code, "command", TRUE, NULL);
}

/**
 * berth_program_new_for_entry:
 *
 * The entry point of the sandbox's template, in the folder that belongs to it unless
 * [property@Program:workdir] says another: what a container of the image would run that the
 * template was made of. A template without one fails with %BERTH_ERROR_INVALID. Otherwise as
 * [ctor@Program.new_for_command].
 *
 * Returns: (transfer full): a program with defaults for the rest
 */
BerthProgram *
berth_program_new_for_entry (void)
{
  g_autoptr (GBytes) nothing = g_bytes_new (NULL, 0);

  return g_object_new (BERTH_TYPE_PROGRAM, "code", nothing, "entry", TRUE, NULL);
}

/**
 * berth_program_set_terminal:
 * @self: a program of [ctor@Program.new_for_command]
 * @rows: 1 to 65,535
 * @columns: 1 to 65,535
 *
 * Gives @self a terminal of this size; where it has one, also while it runs, that gets this size,
 * and the program is told (SIGWINCH). What is written to [method@Program.open_stdin] is typed
 * there, the end of that stream too (Ctrl-D); [method@Program.open_stdout] has all that it shows,
 * and standard error has nothing. A TERM in [property@Program:environment] tells the program of
 * what kind the terminal is.
 *
 * The program leads a session of its own with that terminal: keys like Ctrl-C are signals, and a
 * shell has job control. When the call is cancelled, or its caller is gone, it is hung up: SIGHUP
 * beside SIGTERM. A program with a terminal is run once. Any thread may call this.
 */
void
berth_program_set_terminal (BerthProgram *self, guint rows, guint columns)
{
  g_return_if_fail (BERTH_IS_PROGRAM (self));
  g_return_if_fail (berth_tty_size_is_valid (rows, columns));

  if (self->tty == NULL)
    self->tty = berth_tty_new (rows, columns);
  else
    berth_tty_resize (self->tty, rows, columns);
}

BerthTty *
berth_program_get_tty (BerthProgram *self)
{
  return self->tty;
}

/**
 * berth_program_set_language: (set-property language)
 * @self: a program
 * @language: (nullable): its name, as "python"; %NULL for the template's own
 *
 * Sets [property@Program:language].
 */
void
berth_program_set_language (BerthProgram *self, const char *language)
{
  g_object_set (self, "language", language, NULL);
}

/**
 * berth_program_set_timeout_ms: (set-property timeout-ms)
 * @self: a program
 * @timeout_ms: milliseconds; 0 for the default
 *
 * Sets [property@Program:timeout-ms].
 */
void
berth_program_set_timeout_ms (BerthProgram *self, guint timeout_ms)
{
  g_object_set (self, "timeout-ms", timeout_ms, NULL);
}

/**
 * berth_program_set_environment: (set-property environment)
 * @self: a program
 * @environment: (nullable) (array zero-terminated=1): "NAME=VALUE" each
 *
 * Sets [property@Program:environment].
 */
void
berth_program_set_environment (BerthProgram *self, const char *const *environment)
{
  g_object_set (self, "environment", environment, NULL);
}

/**
 * berth_program_set_workdir: (set-property workdir)
 * @self: a program
 * @workdir: (nullable): a folder of the guest
 *
 * Sets [property@Program:workdir].
 */
void
berth_program_set_workdir (BerthProgram *self, const char *workdir)
{
  g_object_set (self, "workdir", workdir, NULL);
}

/**
 * berth_program_set_suffix: (set-property suffix)
 * @self: a program
 * @suffix: (nullable): a dot and letters
 *
 * Sets [property@Program:suffix].
 */
void
berth_program_set_suffix (BerthProgram *self, const char *suffix)
{
  g_object_set (self, "suffix", suffix, NULL);
}

/**
 * berth_program_set_log_mb: (set-property log-mb)
 * @self: a program
 * @log_mb: MiB; 0 for the default
 *
 * Sets [property@Program:log-mb].
 */
void
berth_program_set_log_mb (BerthProgram *self, guint log_mb)
{
  g_object_set (self, "log-mb", log_mb, NULL);
}

/**
 * berth_program_add_upload:
 * @self: a program
 * @path: (type filename): in the sandbox: relative to its home, or absolute in it or in /tmp
 * @content: what the file will hold
 * @mode: permission bits; 0 for 0644
 *
 * A file that is there when @self starts, carried by the run itself: [method@Client.run_async] puts
 * one after the other in the order in which they were added, and runs nothing where one can't be.
 * Folders above it are made. Of a sandbox that stays, [method@Client.put_file_async] is the way.
 */
void
berth_program_add_upload (BerthProgram *self, const char *path, GBytes *content, guint mode)
{
  const BerthUpload upload = { (char *)path, content, mode != 0 ? mode : BERTH_FILE_MODE_DEFAULT };

  g_return_if_fail (BERTH_IS_PROGRAM (self));
  g_return_if_fail (path != NULL && content != NULL);

  g_ptr_array_add (self->uploads, berth_upload_copy (&upload));
}

/**
 * berth_program_add_download:
 * @self: a program
 * @path: (type filename): in the sandbox, as of [method@Program.add_upload]: a file, or a folder
 * with all that is in it
 *
 * What comes back after the program's end, whatever its status was, and also when its time ran out:
 * [method@Result.get_download] gives it. 64 at most, and 500 MiB in all
 * ([method@Program.set_download_max]), which are in memory then.
 */
void
berth_program_add_download (BerthProgram *self, const char *path)
{
  g_return_if_fail (BERTH_IS_PROGRAM (self));
  g_return_if_fail (path != NULL);

  g_ptr_array_add (self->downloads, g_strdup (path));
}

/**
 * berth_program_set_download_max:
 * @self: a program
 * @max_bytes: what comes back of all files together at most, their names included; 500 MiB unless
 * it is set
 *
 * For who has less memory for [method@Program.add_download]. A file that does not fit is left out,
 * and [method@Result.get_download] fails for it with %BERTH_ERROR_INVALID; smaller ones behind it
 * come.
 */
void
berth_program_set_download_max (BerthProgram *self, guint64 max_bytes)
{
  g_return_if_fail (BERTH_IS_PROGRAM (self));

  self->download_max = max_bytes;
}

guint64
berth_program_get_download_max (BerthProgram *self)
{
  return self->download_max;
}

GPtrArray *
berth_program_get_uploads (BerthProgram *self)
{
  return self->uploads;
}

GPtrArray *
berth_program_get_downloads (BerthProgram *self)
{
  return self->downloads;
}

gboolean
berth_program_has_files (BerthProgram *self)
{
  return self->uploads->len > 0 || self->downloads->len > 0;
}

/**
 * berth_program_open_stdin:
 * @self: a program that was not run yet
 *
 * Close the stream to let the program read end-of-file. More than a pipe holds (64 KiB) is taken
 * only while the program runs and reads.
 *
 * Returns: (transfer full): what the program will read
 */
GOutputStream *
berth_program_open_stdin (BerthProgram *self, GError **error)
{
  g_return_val_if_fail (BERTH_IS_PROGRAM (self), NULL);

  return berth_pipe_open_writer (&self->fds[STDIN_FILENO], error);
}

static GInputStream *
open_output (BerthProgram *self, int stream, GError **error)
{
  g_return_val_if_fail (BERTH_IS_PROGRAM (self), NULL);

  return berth_pipe_open_reader (&self->fds[stream], error);
}

/**
 * berth_program_open_stdout:
 * @self: a program that was not run yet
 *
 * Read it while the program runs: a reader that is slow slows the program. It ends when the
 * program's end is known, or when @self is run and that fails. Nothing is captured then.
 *
 * Returns: (transfer full): what the program writes, byte by byte and without a limit
 */
GInputStream *
berth_program_open_stdout (BerthProgram *self, GError **error)
{
  return open_output (self, STDOUT_FILENO, error);
}

/**
 * berth_program_open_stderr:
 * @self: a program that was not run yet
 *
 * As [method@Program.open_stdout].
 *
 * Returns: (transfer full): what the program writes to its standard error
 */
GInputStream *
berth_program_open_stderr (BerthProgram *self, GError **error)
{
  return open_output (self, STDERR_FILENO, error);
}

static gboolean
set_fd (BerthProgram *self, int stream, int fd, GError **error)
{
  g_return_val_if_fail (BERTH_IS_PROGRAM (self), FALSE);

  return berth_pipe_keep_copy (&self->fds[stream], fd, stream_keys[stream], error);
}

/**
 * berth_program_set_stdin_fd:
 * @self: a program that was not run yet
 * @fd: a pipe, or one of an unnamed pair of Unix stream sockets, open for reading; the caller keeps
 * it and may close it at once
 *
 * The program's standard input is what can be read from @fd: berthd opens it anew, so that nobody
 * who shares it notices.
 *
 * Returns: %TRUE; %FALSE with %BERTH_ERROR_INVALID where @fd is no descriptor
 */
gboolean
berth_program_set_stdin_fd (BerthProgram *self, int fd, GError **error)
{
  return set_fd (self, STDIN_FILENO, fd, error);
}

/**
 * berth_program_set_stdout_fd:
 * @self: a program that was not run yet
 * @fd: a pipe, or one of an unnamed pair of Unix stream sockets, open for writing; the caller keeps
 * it and closes it, so that its reader sees the end
 *
 * What the program writes goes to @fd as it comes: berthd opens it anew, too.
 *
 * Returns: %TRUE; %FALSE with %BERTH_ERROR_INVALID where @fd is no descriptor
 */
gboolean
berth_program_set_stdout_fd (BerthProgram *self, int fd, GError **error)
{
  return set_fd (self, STDOUT_FILENO, fd, error);
}

/**
 * berth_program_set_stderr_fd:
 * @self: a program that was not run yet
 * @fd: as of [method@Program.set_stdout_fd]
 *
 * As [method@Program.set_stdout_fd].
 *
 * Returns: %TRUE; %FALSE with %BERTH_ERROR_INVALID where @fd is no descriptor
 */
gboolean
berth_program_set_stderr_fd (BerthProgram *self, int fd, GError **error)
{
  return set_fd (self, STDERR_FILENO, fd, error);
}

static gboolean
write_streams (BerthProgram *self, GVariantDict *options, GUnixFDList *fds, GError **error)
{
  self->was_run = self->tty != NULL;
  for (int i = 0; i < N_STREAMS; i++)
    {
      if (self->fds[i] < 0)
        continue;
      if (!berth_pipe_hand_over (&self->fds[i], stream_keys[i], options, fds, error))
        return FALSE;
      self->was_run = TRUE;
    }
  return TRUE;
}

/* @self by the rules that berthd goes by. Found here, a mistake costs no other call of the same
 * connection (berthd closes it on a message that is too long). */
static gboolean
write_values (BerthProgram *self, GVariantDict *options, GError **error)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) values = NULL;
  GVariantIter iter;
  const char *key;
  GVariant *value;
  guint rows;
  guint columns;

  if (self->was_run)
    {
      g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                           "this program was run and its streams are gone: make a new one");
      return FALSE;
    }
  if (!berth_option_write_object (BERTH_OPTION_SET_EXEC, G_OBJECT (self), &dict, error))
    return FALSE;
  if (self->tty != NULL)
    {
      berth_tty_get_size (self->tty, &rows, &columns);
      g_variant_dict_insert (&dict, "tty", "(uu)", rows, columns);
    }
  values = g_variant_ref_sink (g_variant_dict_end (&dict));
  if (!berth_option_check_program (values, error))
    return FALSE;
  g_variant_iter_init (&iter, values);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    g_variant_dict_insert_value (options, key, value);
  return TRUE;
}

/* Writes @self as options of a D-Bus call; its streams go to @fds, and end where it fails: somebody
 * may read them already. */
gboolean
berth_program_write (BerthProgram *self, GVariantDict *options, GUnixFDList *fds, GError **error)
{
  if (write_values (self, options, error))
    return write_streams (self, options, fds, error);
  for (int i = 0; i < N_STREAMS; i++)
    berth_pipe_close (&self->fds[i]);
  return FALSE;
}
