/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run, exec and shell: one program, its streams, and the exit status that it becomes. */
#include <signal.h>
#include <string.h>

#include "agent/berth-language.h"
#include "plugin/cli/berth-cli-attend.h"
#include "plugin/cli/berth-cli-client.h"
#include "plugin/cli/berth-cli-options.h"
#include "plugin/cli/berth-cli-ports.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-run-files.h"
#include "plugin/cli/berth-cli-source.h"
#include "plugin/cli/berth-cli-streams.h"
#include "plugin/cli/berth-cli-verbs.h"
#include "plugin/model/berth-file-record.h"
#include "pool/berth-error.h"

/* Of a terminal that nobody sits at yet */
#define ROWS_WITHOUT_CLIENT 24u
#define COLUMNS_WITHOUT_CLIENT 80u

#define EXIT_STATUS_HELP                                                                           \
  "Exit status: the program's own, 128+N when signal N ended it, 124 when its time ran out,\n"     \
  "125 when berth could not run it, 126 when berth is at capacity and you would not wait,\n"       \
  "2 when the request is wrong, 130 after Ctrl-C.\n"

const BerthVerbHelp berth_run_help = {
  .synopsis = "[CODE | FILE | - | PROGRAM ARGUMENT...]",
  .summary = "Runs code in a virtual machine of its own, which is destroyed afterwards.",
  .description
  = "An argument that names an existing file is that file; its suffix tells the language (.py .js\n"
    ".mjs .cjs .ts .mts .cts .sh .bash; .mjs is a module and .cjs is none), another one needs -l. "
    "'-' is\n"
    "standard input (so is no argument at all, unless that is a terminal, or -l names a template\n"
    "with an entry point: that is run then). Anything else is the\n"
    "code itself, python without -l. Put '--'\n"
    "before code that starts with a dash.\n\n"
    "The program gets your standard input, unless that is a terminal or was the code, or -n "
    "leaves\n"
    "it alone, as a loop that reads a list needs it. Output is live.\n\n"
    "With -x, what follows the options is a program of the sandbox and its arguments as they\n"
    "stand, executed with no interpreter and no shell between: 127 is the status of one that is\n"
    "not there, 126 of one that can't be run. -l still tells what the sandbox is made of.\n\n"
    "--upload carries a file or folder into the sandbox before the program starts, --download one\n"
    "out after it ended, also when it failed (LOCAL: under its own name here, if not given). What\n"
    "'berth put --help' and 'berth get --help' say of paths holds; GUEST has no colon here. A "
    "download that fails is told,\n"
    "and the status is 125 where the program's would have been 0.\n\n"
    "--publish has a port of the sandbox reached on this host while the program runs: 8080 is\n"
    "its port 8080 at a free one of 127.0.0.1, which is told; 'berth port --help' says more.\n\n"
    "--boot-log shows the VM's console on stderr while it boots, also with -q; a warm VM or a "
    "clone\n"
    "does not boot, and nothing is shown then: --cold has one boot.\n\n"
    "The answer comes when the program has ended and its output is complete. Its VM ends behind\n"
    "that, and counts until it is gone; --wait-gone waits for that, too.\n\n" EXIT_STATUS_HELP
    "\nExamples:\n"
    "  berth run 'print(6*7)'\n"
    "  berth run --upload data.csv:in.csv --download out.png plot.py\n"
    "  berth run -l shell -t 5 -e NAME=world 'echo \"hello $NAME\"'\n"
    "  berth run script.py < data.csv\n"
    "  berth run -l shell -x ls -l /\n"
    "  berth run --publish 8000:8000 -x python3 -m http.server\n"
    "  git show HEAD:x.js | berth run -l javascript --json -",
  .takes = BERTH_TAKES_SANDBOX | BERTH_TAKES_EXEC | BERTH_TAKES_CARRY | BERTH_TAKES_FILES
           | BERTH_TAKES_JSON,
  .max_arguments = 1,
};

const BerthVerbHelp berth_exec_help = {
  .synopsis = "ID [CODE | - | PROGRAM ARGUMENT...]",
  .summary = "Runs code in a sandbox that 'berth create' made; what it defines stays.",
  .description
  = "'-', or no argument, is standard input. Code runs one exec at a time, in the order asked.\n\n"
    "With -x, what follows the id is a program of the sandbox and its arguments as they stand,\n"
    "executed with no interpreter and no shell between, in the home or in -w. It runs at once,\n"
    "also while code runs, and up to 16 at a time in a sandbox: one more is refused (status 126).\n"
    "Options and exit status are as of code; 127 is that of a program that is not there, 126 of\n"
    "one that can't be run. What it leaves in the background ends with it.\n\n"
    "With -d, it runs in the background, and its number in this sandbox is printed as soon as it\n"
    "runs: 'berth ps', 'logs', 'attach', 'wait' and 'kill' take it. It goes on whoever goes away,\n"
    "you or berthd, and the sandbox is not idle until it ends. Code has the interpreter "
    "meanwhile.\n"
    "-t and its default hold; --no-timeout is none, where berthd's settings allow that. --log "
    "says\n"
    "how much of its newest output is kept.\n\n"
    "With -T and -x, it has your terminal: size, keys (Ctrl-C is the program's), colours; it may\n"
    "last a day unless -t says less, and what 'berth shell --help' says of a sandbox that exists\n"
    "holds. With -d, too, it has one that nobody sits at until 'berth attach'.\n\n"
    "Of -e, what an interpreter reads only when it starts (PYTHON..., NODE_..., LD_...,\n"
    "LANG and LC_... but of bash) is there in the code's environment and that of its\n"
    "children, and changes nothing in the session's own interpreter, which runs already.\n"
    "'berth run' starts one with it.\n\n" EXIT_STATUS_HELP "\nExamples:\n"
    "  id=$(berth create)\n"
    "  berth exec $id 'x = 6'\n"
    "  berth exec $id 'print(x * 7)'\n"
    "  berth exec $id - < script.py\n"
    "  berth exec -x $id git status --short\n"
    "  exec=$(berth exec -d -t 3600 -x $id make -j4)\n"
    "  berth exec -Tx $id less notes.txt\n"
    "  berth exec -dTx $id top",
  .takes = BERTH_TAKES_EXEC | BERTH_TAKES_DETACH | BERTH_TAKES_TERMINAL | BERTH_TAKES_JSON,
  .max_arguments = 2,
};

const BerthVerbHelp berth_shell_help = {
  .synopsis = "[ID]",
  .summary = "Gives you a prompt in a sandbox, at your terminal.",
  .description
  = "Without an id, the sandbox is a new one, which is destroyed afterwards. The prompt is "
    "bash's;\n"
    "with -l python or javascript, that of the language. In a sandbox that exists it stands "
    "beside\n"
    "what runs there, in a process of its own: it does not see what 'berth exec' defined.\n\n"
    "All that you type is the program's, also Ctrl-C and Ctrl-Z, and all that it shows is yours:\n"
    "editors, pagers and top are at home. TERM is passed on; give -e TERM=xterm-256color where "
    "the\n"
    "sandbox does not know your terminal. When the program ends, or the connection does, your\n"
    "terminal is as it was. To end a program that heeds no key, type '~.' at the beginning of a\n"
    "line ('~~' there is a tilde). It lasts a day at most, or as long as -t says.\n\n"
    "In a sandbox that exists, '~d' at the beginning of a line leaves the program, which goes on\n"
    "(status 0); so it does when your connection is lost, this command ends by a signal, or "
    "berthd\n"
    "is started again. 'berth ps' shows it, 'berth attach' brings it back to a terminal, with its\n"
    "screen. Meanwhile it is what an exec in the background is: it has one of the 16 places, the\n"
    "newest MiB of what it shows is kept in the sandbox's memory, and the sandbox is not idle.\n"
    "When nobody has come back for an hour (berthd's setting terminal_hangup_s) it is hung up:\n"
    "SIGHUP and SIGTERM, 2 s later SIGKILL. That of a new sandbox ends with you, and so does one\n"
    "of an image that is older than this berth.\n\n" EXIT_STATUS_HELP "\nExamples:\n"
    "  berth shell\n"
    "  berth shell -l python\n"
    "  berth shell $id\n"
    "  berth shell -m 1024 -w /tmp -e EDITOR=vi",
  .takes = BERTH_TAKES_SANDBOX | BERTH_TAKES_SHELL,
  .max_arguments = 1,
};

/* One run or exec, from its options to its end. */
typedef struct
{
  BerthOptionValues values;
  BerthCliSource source;
  GVariantDict options;
  BerthProgress *progress; /* nullable */
  const char *id;          /* where it runs; NULL: in a sandbox that berthd makes for it alone */
  gboolean is_run;
  gboolean with_input;      /* ours is the program's */
  gboolean with_terminal;   /* likewise */
  GVariant *ports;          /* nullable: where those of --publish are */
  GVariant *sandbox;        /* nullable: what to create for the program, to end with it */
  char *created;            /* the id of that */
  BerthRunFiles *files;     /* nullable: before and after */
  GError *download_failure; /* the first one's */
} Execution;

static void
execution_clear (Execution *self)
{
  berth_option_values_clear (&self->values);
  berth_cli_source_clear (&self->source);
  g_variant_dict_clear (&self->options);
  berth_progress_unref (self->progress);
  berth_run_files_free (self->files);
  g_clear_pointer (&self->sandbox, g_variant_unref);
  if (self->ports != NULL)
    berth_cli_ports_unlink (self->ports, TRUE);
  g_clear_pointer (&self->ports, g_variant_unref);
  g_free (self->created);
  g_clear_error (&self->download_failure);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Execution, execution_clear)

static gboolean
flag (GVariant *result, const char *key)
{
  gboolean value = FALSE;

  g_variant_lookup (result, key, "b", &value);
  return value;
}

static void
print_notes (const Execution *self, GVariant *result)
{
  const char *given = berth_option_values_get (&self->values, "timeout_ms");
  const char *timeout = given != NULL ? given : self->with_terminal ? "86400" : "30";

  if (self->values.quiet)
    return;
  if (flag (result, "timed_out"))
    {
      g_autofree char *text = g_strdup_printf (
          "the program's time ran out after %.20s s and it was ended: -t gives it more", timeout);

      berth_report_note (text);
    }
  if (flag (result, "oom"))
    berth_report_note (self->is_run
                           ? "the program ran out of memory: -m gives it more"
                           : "the program ran out of memory: 'berth create -m' gives more");
  if (flag (result, "destroy_unconfirmed"))
    berth_report_note ("the program ended, but its VM may still exist: see 'berth list'");
}

/* (transfer floating): for --json */
static GVariant *
dup_object (const Execution *self, GVariant *result, const GError *error)
{
  GVariant *object
      = berth_report_result_object (result, error != NULL ? error : self->download_failure);
  g_autoptr (GVariant) plain = NULL;
  GVariantDict dict;

  if (self->ports == NULL)
    return object;
  plain = g_variant_ref_sink (object);
  g_variant_dict_init (&dict, plain);
  g_variant_dict_insert_value (&dict, "ports", self->ports);
  return g_variant_dict_end (&dict);
}

static int
report (const Execution *self, GVariant *result, const GError *error, int signal_number)
{
  int status = error != NULL ? berth_report_status_of_error (error)
                             : berth_report_status_of_result (result);

  if (error == NULL && berth_report_left (result))
    return BERTH_EXIT_OK;
  if (status == BERTH_EXIT_OK && self->download_failure != NULL)
    status = BERTH_EXIT_FAILED;
  if (signal_number != 0)
    status = BERTH_EXIT_SIGNAL_BASE + signal_number;
  if (self->values.json && berth_report_json (dup_object (self, result, error)) != BERTH_EXIT_OK)
    return BERTH_EXIT_FAILED;
  if (error != NULL)
    berth_report_error (error);
  else if (!self->values.json)
    print_notes (self, result);
  return status;
}

static GVariant *
call (Execution *self, BerthClient *client, GUnixFDList *fds, GError **error)
{
  GVariant *options = g_variant_dict_end (&self->options);
  g_autoptr (GVariant) reply = NULL;

  if (self->id != NULL)
    reply = berth_client_call (client, "Exec", g_variant_new ("(s@a{sv})", self->id, options),
                               "(a{sv})", fds, error);
  else
    reply = berth_client_call (client, "Run", g_variant_new ("(@a{sv})", options), "(a{sv})", fds,
                               error);
  return reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
}

/* Listens where --publish says; who starts the program does so first. */
static gboolean
publish (Execution *self, GVariantDict *options, GUnixFDList *fds, GError **error)
{
  if (!berth_cli_ports_are_asked (&self->values))
    return TRUE;
  self->ports = berth_cli_ports_add (&self->values, options, fds, error);
  if (self->ports != NULL && !self->values.quiet)
    berth_cli_ports_tell (self->ports);
  return self->ports != NULL;
}

/* Output is complete when the program's end is known: berthd closes its ends before it answers. */
static GVariant *
call_with_streams (Execution *self, BerthClient *client, GError **error)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  BerthStreamsKind kinds = (self->with_input ? BERTH_STREAMS_INPUT : 0)
                           | (self->values.json ? 0 : BERTH_STREAMS_OUTPUT)
                           | (self->values.boot_log ? BERTH_STREAMS_BOOT_LOG : 0);
  g_autoptr (BerthStreams) streams = berth_streams_new (kinds, fds, &self->options, error);
  g_autoptr (GVariant) result = NULL;
  g_autoptr (GError) output_error = NULL;
  gboolean is_told;

  if (streams == NULL || (self->is_run && !publish (self, &self->options, fds, error))
      || (self->files != NULL && !berth_run_files_add (self->files, &self->options, fds, error)))
    return NULL;
  berth_streams_set_progress (streams, self->progress);
  berth_streams_start (streams);
  if (self->files != NULL)
    berth_run_files_start (self->files);
  result = call (self, client, g_steal_pointer (&fds), error);
  is_told = berth_streams_finish (streams, berth_client_get_last_words_us (client), &output_error);
  if (self->files != NULL)
    berth_run_files_finish (self->files, client, result != NULL, error, &self->download_failure);
  if (!is_told && result != NULL)
    {
      berth_file_record_settle (output_error);
      g_propagate_error (error, g_steal_pointer (&output_error));
      return NULL;
    }
  return g_steal_pointer (&result);
}

/* A sandbox that ends with our connection. */
static gboolean
create (Execution *self, BerthClient *client, GError **error)
{
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (self->sandbox);
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  g_autoptr (GVariant) reply = NULL;

  if (!publish (self, &options, fds, error))
    return FALSE;
  reply = berth_client_call (client, "Create",
                             g_variant_new ("(@a{sv})", g_variant_dict_end (&options)), "(s)",
                             g_steal_pointer (&fds), error);
  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(s)", &self->created);
  self->id = self->created;
  return TRUE;
}

static GVariant *
run_program (Execution *self, BerthClient *client, GError **error)
{
  if (self->sandbox != NULL && !create (self, client, error))
    return NULL;
  if (self->with_terminal && self->sandbox != NULL)
    return berth_attend (client, self->id, &self->options, error);
  if (self->with_terminal)
    return berth_attend_new (client, self->id, &self->options, error);
  return call_with_streams (self, client, error);
}

static int
execute (Execution *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthClient) client = berth_client_new (self->values.socket, &error);
  g_autoptr (GVariant) result = NULL;

  if (client == NULL)
    return report (self, NULL, error, 0);
  if (self->is_run || self->sandbox != NULL)
    self->progress = berth_progress_new (self->values.quiet || self->values.json);
  berth_client_set_progress (client, self->progress);
  result = run_program (self, client, &error);
  return report (self, result, error, berth_client_get_signal (client));
}

/* Whose standard input is; a mistake in it is found before any VM is touched. */
static gboolean
settle_input (Execution *self, GError **error)
{
  if (self->source.took_stdin && self->values.no_stdin)
    {
      g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                           "-n leaves standard input alone: give the code as an argument");
      return FALSE;
    }
  self->with_input = !self->values.is_detached && !self->source.took_stdin && !self->values.no_stdin
                     && berth_streams_stdin_is_given ();
  return !self->with_input || berth_streams_check_stdin (error);
}

static GVariant *
started_object (const char *id, GVariant *reply, const GError *error)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) exec = reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;

  g_variant_builder_add (&builder, "{sv}", "sandbox_id", g_variant_new ("ms", id));
  g_variant_builder_add (&builder, "{sv}", "exec",
                         exec != NULL ? exec : g_variant_new_maybe (G_VARIANT_TYPE_UINT32, NULL));
  g_variant_builder_add (&builder, "{sv}", "error", berth_report_error_to_variant (error));
  return g_variant_builder_end (&builder);
}

/* Begins it in the background and prints its number. */
static int
start (Execution *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthClient) client = berth_client_new (self->values.socket, &error);
  g_autoptr (GVariant) reply = NULL;
  g_autofree char *line = NULL;
  int signal_number;
  int status = BERTH_EXIT_OK;

  if (client != NULL)
    reply = berth_client_call (
        client, "Start", g_variant_new ("(s@a{sv})", self->id, g_variant_dict_end (&self->options)),
        "(u)", NULL, &error);
  if (reply != NULL)
    {
      guint32 exec;

      g_variant_get (reply, "(u)", &exec);
      line = g_strdup_printf ("%u\n", exec);
    }
  if (self->values.json)
    status = berth_report_json (started_object (self->id, reply, error));
  else if (line != NULL)
    status = berth_report_text (line);
  if (error != NULL)
    status = berth_report_error (error);
  signal_number = client != NULL ? berth_client_get_signal (client) : 0;
  return signal_number != 0 ? BERTH_EXIT_SIGNAL_BASE + signal_number : status;
}

/* -i, --log and --no-timeout are of what runs in the background; that has no input of ours. */
static gboolean
check_detach (const Execution *self, GError **error)
{
  const BerthOption *table = berth_option_table ();

  for (guint i = 0; i < BERTH_OPTION_COUNT && !self->values.is_detached; i++)
    if (table[i].set == BERTH_OPTION_SET_BACKGROUND
        && (self->values.flags[i] || self->values.texts[i] != NULL))
      {
        g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                     "--%s is of what runs in the background: add -d", table[i].flag);
        return FALSE;
      }
  return TRUE;
}

/* Of exec: whether it has our terminal, which is nobody else's then. */
static gboolean
settle_terminal (Execution *self, GError **error)
{
  if (!self->values.with_terminal)
    return settle_input (self, error);
  self->with_terminal = TRUE;
  if (!self->values.is_command)
    g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                         "-T is of a program: give -x, too, and the program behind the id; 'berth "
                         "shell ID' is a prompt");
  else if (self->values.is_detached)
    return TRUE;
  else if (self->values.json || self->values.no_stdin)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "-T and %s exclude each other: give one",
                 self->values.json ? "--json" : "-n");
  else
    return berth_attend_check (error);
  return FALSE;
}

/* Whether a run without code has something to run, which berthd knows. Nothing is guessed: standard
 * input is code for what has no entry point, and data for what has one. @language: a template's
 * name */
static gboolean
find_entry (const Execution *self, const char *language, gboolean *out_found, GError **error)
{
  g_autoptr (BerthClient) client = berth_client_new (self->values.socket, error);
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) status = NULL;
  g_autoptr (GVariant) templates = NULL;
  g_autoptr (GVariant) template = NULL;

  *out_found = FALSE;
  if (client != NULL)
    reply = berth_client_call (client, "Status", NULL, "(a{sv})", NULL, error);
  if (reply == NULL)
    return FALSE;
  status = g_variant_get_child_value (reply, 0);
  templates = g_variant_lookup_value (status, "templates", G_VARIANT_TYPE_VARDICT);
  if (templates != NULL)
    template = g_variant_lookup_value (templates, language, G_VARIANT_TYPE_VARDICT);
  if (template != NULL)
    g_variant_lookup (template, "entry", "b", out_found);
  return TRUE;
}

static gboolean
load_run (Execution *self, const char *argument, const char *language, GError **error)
{
  gboolean has_entry = FALSE;

  if (argument == NULL && language != NULL && berth_language_find (language) == NULL
      && !find_entry (self, language, &has_entry, error))
    return FALSE;
  if (!has_entry)
    return berth_cli_source_load_run (&self->source, argument, language, error);
  berth_cli_source_load_entry (&self->source, language);
  berth_option_values_set_entry (&self->values);
  return TRUE;
}

/* What is run: code or a command. @language: (nullable) */
static gboolean
load_source (Execution *self, char **arguments, const char *language, GError **error)
{
  if (self->values.is_command)
    return berth_cli_source_load_command (&self->source, arguments, language, error);
  if (self->is_run)
    return load_run (self, arguments[0], language, error);
  return berth_cli_source_load_exec (&self->source, arguments[0], error);
}

/**
 * berth_verb_run:
 * @argc: of @argv
 * @argv: options and code, or a command
 *
 * Returns: the exit status
 */
int
berth_verb_run (int argc, char **argv)
{
  g_auto (Execution) self = { 0 };
  g_autoptr (GError) error = NULL;

  g_variant_dict_init (&self.options, NULL);
  self.is_run = TRUE;
  if (!berth_option_values_parse (&self.values, &berth_run_help, &argc, &argv, &error)
      || !berth_run_files_new (&self.values, &self.files, &error)
      || !berth_option_values_add_sandbox (&self.values, &self.options, &error)
      || !load_source (&self, argv + 1, berth_option_values_get (&self.values, "template"), &error)
      || !settle_input (&self, &error)
      || !berth_option_values_add_exec (&self.values, self.source.code, &self.options, &error))
    return report (&self, NULL, error, 0);
  g_variant_dict_insert (&self.options, "template", "s", self.source.template_name);
  if (self.source.suffix != NULL)
    g_variant_dict_insert (&self.options, "suffix", "s", self.source.suffix);
  if (self.values.wait_gone)
    g_variant_dict_insert (&self.options, "wait_gone", "b", TRUE);
  return execute (&self);
}

/**
 * berth_verb_exec:
 * @argc: of @argv
 * @argv: options, a sandbox id and code, or a command
 *
 * Returns: the exit status
 */
int
berth_verb_exec (int argc, char **argv)
{
  g_auto (Execution) self = { 0 };
  g_autoptr (GError) error = NULL;
  gboolean ok;

  g_variant_dict_init (&self.options, NULL);
  ok = berth_option_values_parse (&self.values, &berth_exec_help, &argc, &argv, &error);
  if (ok && argc < 2)
    {
      g_set_error_literal (&error, BERTH_ERROR, BERTH_ERROR_INVALID,
                           "which sandbox? 'berth exec ID CODE'; 'berth list' shows the ids");
      ok = FALSE;
    }
  ok = ok && berth_option_check_utf8 ("an id", argv[1], &error);
  if (!ok || !load_source (&self, argv + 2, NULL, &error) || !settle_terminal (&self, &error)
      || !berth_option_values_add_exec (&self.values, self.source.code, &self.options, &error)
      || (self.with_terminal && !self.values.is_detached
          && !berth_attend_add (&self.options, &error)))
    return report (&self, NULL, error, 0);
  if (self.with_terminal && self.values.is_detached)
    g_variant_dict_insert (&self.options, "tty", "(uu)", ROWS_WITHOUT_CLIENT,
                           COLUMNS_WITHOUT_CLIENT);
  self.id = argv[1];
  if (!check_detach (&self, &error))
    return report (&self, NULL, error, 0);
  return self.values.is_detached ? start (&self) : execute (&self);
}

/* The prompt of a language, and the shell's of any other template. */
static void
load_prompt (Execution *self, const char *language)
{
  const BerthLanguageRow *row = berth_language_find (language);
  const char *argv[] = { NULL, NULL };

  if (row == NULL)
    row = berth_language_get (BERTH_LANGUAGE_SHELL);
  argv[0] = row->prompt;
  self->source.code = berth_exec_pack_command (argv);
  berth_option_values_set_command (&self->values);
}

/* @id: (nullable): of a sandbox that exists; a new one is made without */
static gboolean
settle_sandbox (Execution *self, const char *id, GError **error)
{
  g_auto (GVariantDict) sandbox = G_VARIANT_DICT_INIT (NULL);
  const char *language = berth_option_values_get (&self->values, "template");
  g_autoptr (GVariant) given = NULL;

  if (!berth_option_values_add_sandbox (&self->values, &sandbox, error))
    return FALSE;
  given = g_variant_ref_sink (g_variant_dict_end (&sandbox));
  if (id != NULL && (g_variant_n_children (given) > 0 || berth_cli_ports_are_asked (&self->values)))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "%.40s exists already, and -m and its like make a new sandbox: leave them out, "
                   "or the id",
                   id);
      return FALSE;
    }
  self->id = id;
  if (id != NULL)
    return berth_option_check_utf8 ("an id", id, error);
  self->source.template_name
      = berth_cli_source_dup_template (language != NULL ? language : "shell", error);
  if (self->source.template_name == NULL)
    return FALSE;
  g_variant_dict_init (&sandbox, given);
  g_variant_dict_insert (&sandbox, "template", "s", self->source.template_name);
  g_variant_dict_insert (&sandbox, "attached", "b", TRUE);
  self->sandbox = g_variant_ref_sink (g_variant_dict_end (&sandbox));
  return TRUE;
}

/**
 * berth_verb_shell:
 * @argc: of @argv
 * @argv: options, and a sandbox id
 *
 * Returns: the exit status
 */
int
berth_verb_shell (int argc, char **argv)
{
  g_auto (Execution) self = { 0 };
  g_autoptr (GError) error = NULL;

  g_variant_dict_init (&self.options, NULL);
  if (!berth_option_values_parse (&self.values, &berth_shell_help, &argc, &argv, &error)
      || !settle_sandbox (&self, argc > 1 ? argv[1] : NULL, &error))
    return report (&self, NULL, error, 0);
  self.with_terminal = TRUE;
  load_prompt (&self, berth_option_values_get (&self.values, "template"));
  if (!berth_option_values_add_exec (&self.values, self.source.code, &self.options, &error)
      || !berth_attend_add (&self.options, &error))
    return report (&self, NULL, error, 0);
  return execute (&self);
}
