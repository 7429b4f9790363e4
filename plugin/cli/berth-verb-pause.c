/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pause, hibernate and resume: sandboxes that stand still and take no vCPU, or no place. */
#include "plugin/cli/berth-cli-client.h"
#include "plugin/cli/berth-cli-options.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-verbs.h"
#include "pool/berth-error.h"

const BerthVerbHelp berth_pause_help = {
  .synopsis = "ID...",
  .summary = "Lets sandboxes stand still, whatever runs in them: they take no vCPU.",
  .description
  = "Whatever is asked of one later wakes it. Its clock stands, and the time limits of what runs "
    "in "
    "it stand with it; after it was woken the clock is right. The time after which an unused "
    "sandbox ends goes on. 'berth create --idle-pause S' has one paused whenever nobody uses "
    "it.\n\n"
    "Exit status: 0, or that of the first that could not be paused.\n\nExample:\n"
    "  berth pause $id; berth list",
  .takes = 0,
  .max_arguments = 1000,
};

const BerthVerbHelp berth_resume_help = {
  .synopsis = "ID...",
  .summary = "Lets sandboxes run again that are paused. Waits at capacity.",
  .description = "There is seldom need to: whatever is asked of a sandbox wakes it.\n\n"
                 "Exit status: 0, or that of the first that could not be woken: 126 where berthd's "
                 "wait timeout passed.\n\nExample:\n"
                 "  berth resume $id",
  .takes = 0,
  .max_arguments = 1000,
};

const BerthVerbHelp berth_hibernate_help = {
  .synopsis = "ID...",
  .summary
  = "Writes sandboxes to the disk and ends their VMs: they take no place until they are used.",
  .description = "Variables, files and programs are kept. Whatever is asked of one later has it go "
                 "on, in another\n"
                 "VM that waits for its place as one of 'berth create' does. 'berth list' shows it "
                 "as hibernated.\n"
                 "While code or a command runs in it a sandbox is not hibernated. 'berth create "
                 "--idle-hibernate\n"
                 "S' has one hibernated whenever nobody uses it for S seconds.\n\n"
                 "Exit status: 0, or that of the first that could not be hibernated.\n\nExample:\n"
                 "  berth hibernate $id; berth exec $id 'print(x)'",
  .takes = 0,
  .max_arguments = 1000,
};

static int
call_all (BerthClient *client, const char *method, char **ids)
{
  int status = BERTH_EXIT_OK;

  for (guint i = 0; ids[i] != NULL; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) reply = NULL;

      if (berth_option_check_utf8 ("an id", ids[i], &error))
        reply
            = berth_client_call (client, method, g_variant_new ("(s)", ids[i]), "()", NULL, &error);
      if (reply == NULL)
        {
          int failed = berth_report_error (error);

          status = status == BERTH_EXIT_OK ? failed : status;
        }
      if (berth_client_get_signal (client) != 0)
        return BERTH_EXIT_SIGNAL_BASE + berth_client_get_signal (client);
    }
  return status;
}

static int
verb_run (const BerthVerbHelp *help, const char *method, const char *remark, int argc, char **argv)
{
  g_auto (BerthOptionValues) values = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthProgress) progress = NULL;
  g_autoptr (BerthClient) client = NULL;

  if (!berth_option_values_parse (&values, help, &argc, &argv, &error))
    return berth_report_error (error);
  if (argc < 2)
    {
      berth_report_note (remark);
      return BERTH_EXIT_INVALID;
    }
  progress = berth_progress_new (FALSE);
  client = berth_client_new (values.socket, &error);
  if (client == NULL)
    return berth_report_error (error);
  berth_client_set_progress (client, progress);
  return call_all (client, method, argv + 1);
}

/**
 * berth_verb_pause:
 * @argc: of @argv
 * @argv: options and ids
 *
 * Returns: the exit status
 */
int
berth_verb_pause (int argc, char **argv)
{
  return verb_run (&berth_pause_help, "Pause",
                   "which sandboxes? 'berth pause ID...'; 'berth list' shows the ids", argc, argv);
}

/**
 * berth_verb_hibernate:
 * @argc: of @argv
 * @argv: options and ids
 *
 * Returns: the exit status
 */
int
berth_verb_hibernate (int argc, char **argv)
{
  return verb_run (&berth_hibernate_help, "Hibernate",
                   "which sandboxes? 'berth hibernate ID...'; 'berth list' shows the ids", argc,
                   argv);
}

/**
 * berth_verb_resume:
 * @argc: of @argv
 * @argv: options and ids
 *
 * Returns: the exit status
 */
int
berth_verb_resume (int argc, char **argv)
{
  return verb_run (&berth_resume_help, "Resume",
                   "which sandboxes? 'berth resume ID...'; 'berth list' shows the ids", argc, argv);
}
