/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image: what builds the guest's kernel and layers is a script; the verb finds it and the agent,
 * and becomes it. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-verbs.h"
#include "plugin/config/berth-config.h"
#include "pool/berth-error.h"

const BerthVerbHelp berth_image_help = {
  .synopsis = "build | prune",
  .summary = "Builds the image that VMs boot from, on this host, from Debian's packages.",
  .description
  = "build  makes what is missing or out of date of kernel, initramfs and layers; minutes at\n"
    "       first, well under a second when there is nothing to do. VMs that exist keep what\n"
    "       they have, the next ones get the new image\n"
    "prune  removes what no release uses any more, at once and not after a day\n\n"
    "It needs no berthd, and where nothing was built yet a Debian archive. As root it builds the\n"
    "system's image, else your own.\n\nExamples:\n"
    "  berth image build\n"
    "  berth image build --refresh               with the archive's newest packages\n"
    "  berth image build --release bookworm      what was built of others stays",
  .takes = BERTH_TAKES_IMAGE,
  .max_arguments = 1,
};

static void
add_option (GPtrArray *command, const char *option, const char *value)
{
  if (value == NULL)
    return;
  g_ptr_array_add (command, g_strdup (option));
  g_ptr_array_add (command, g_strdup (value));
}

/* Where berthd looks for its image, unless told otherwise */
static char *
dup_image_dir (const BerthOptionValues *values, GError **error)
{
  g_autoptr (BerthConfig) config = berth_config_new ();

  if (values->dir != NULL)
    return g_canonicalize_filename (values->dir, NULL);
  if (!berth_config_load_default (config, error))
    return NULL;
  return g_strdup (config->image_dir);
}

/* Returns: (transfer full) (nullable): the script and its arguments */
static GPtrArray *
make_command (const BerthOptionValues *values, const char *action, GError **error)
{
  g_autoptr (GPtrArray) command = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *agent = NULL;
  g_autofree char *dir = NULL;

  if (g_strcmp0 (action, "build") != 0 && g_strcmp0 (action, "prune") != 0)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "it is '%s %s'", g_get_prgname (),
                   berth_image_help.synopsis);
      return NULL;
    }
  dir = dup_image_dir (values, error);
  if (dir == NULL)
    return NULL;
  g_ptr_array_add (command, berth_config_dup_image_builder (&agent));
  add_option (command, "--dir", dir);
  if (strcmp (action, "prune") == 0)
    g_ptr_array_add (command, g_strdup ("--prune"));
  else
    add_option (command, "--agent", agent);
  add_option (command, "--release", values->release);
  add_option (command, "--mirror", values->mirror);
  if (values->refresh)
    g_ptr_array_add (command, g_strdup ("--refresh"));
  if (values->quiet)
    g_ptr_array_add (command, g_strdup ("-q"));
  g_ptr_array_add (command, NULL);
  return g_steal_pointer (&command);
}

/**
 * berth_verb_image:
 * @argc: of @argv
 * @argv: options and an action
 *
 * Returns: the exit status; or not at all, and the status is the script's
 */
int
berth_verb_image (int argc, char **argv)
{
  g_auto (BerthOptionValues) values = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) command = NULL;

  if (berth_option_values_parse (&values, &berth_image_help, &argc, &argv, &error))
    command = make_command (&values, argc > 1 ? argv[1] : NULL, &error);
  if (command == NULL)
    return berth_report_error (error);
  g_setenv ("BERTH_IMAGES_SELF", g_get_prgname (), TRUE);
  execv (command->pdata[0], (char **)command->pdata);
  g_set_error (&error, BERTH_ERROR, BERTH_ERROR_CONFIG,
               "%s: %s: install the package berthd, which has what builds images",
               (char *)command->pdata[0], g_strerror (errno));
  return berth_report_error (error);
}
