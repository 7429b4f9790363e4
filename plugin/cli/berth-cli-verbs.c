/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one list of the command's verbs: what runs, what its help shows, what shells complete. */
#include "plugin/cli/berth-cli-verbs.h"

#include <string.h>

static const BerthVerb verbs[] = {
  { "run", "run code in a virtual machine of its own", &berth_run_help, berth_verb_run },
  { "create", "make a sandbox that stays, print its id", &berth_create_help, berth_verb_create },
  { "fork", "sandboxes that go on from where one is", &berth_fork_help, berth_verb_fork },
  { "checkpoint", "what a sandbox is now, kept: ID NAME, list, show, remove",
    &berth_checkpoint_help, berth_verb_checkpoint },
  { "rollback", "let a sandbox go on from a checkpoint", &berth_rollback_help,
    berth_verb_rollback },
  { "exec", "run code in a sandbox", &berth_exec_help, berth_verb_exec },
  { "ps", "what a sandbox has in the background", &berth_ps_help, berth_verb_ps },
  { "logs", "what such an exec has written", &berth_logs_help, berth_verb_logs },
  { "attach", "what it writes from now on", &berth_attach_help, berth_verb_attach },
  { "wait", "its end", &berth_wait_help, berth_verb_wait },
  { "kill", "end it, or send it a signal", &berth_kill_help, berth_verb_kill },
  { "shell", "a prompt in a sandbox, at your terminal", &berth_shell_help, berth_verb_shell },
  { "port", "ports of a sandbox, reached from here", &berth_port_help, berth_verb_port },
  { "net", "what a sandbox reaches", &berth_net_help, berth_verb_net },
  { "put", "a file or folder into a sandbox", &berth_put_help, berth_verb_put },
  { "get", "a file or folder out of a sandbox", &berth_get_help, berth_verb_get },
  { "ls", "what is in a folder of a sandbox", &berth_ls_help, berth_verb_ls },
  { "pause", "let sandboxes stand still", &berth_pause_help, berth_verb_pause },
  { "hibernate", "write sandboxes to the disk", &berth_hibernate_help, berth_verb_hibernate },
  { "resume", "let them run again", &berth_resume_help, berth_verb_resume },
  { "destroy", "end sandboxes", &berth_destroy_help, berth_verb_destroy },
  { "list", "sandboxes and warm VMs", &berth_list_help, berth_verb_list },
  { "status", "capacity, queue, templates, libvirt", &berth_status_help, berth_verb_status },
  { "top", "both of them, live", &berth_top_help, berth_verb_top },
  { "drain", "no VM for anybody any more, for maintenance", &berth_drain_help, berth_verb_drain },
  { "pool", "how many warm VMs stand by: set, fill, drain", &berth_pool_help, berth_verb_pool },
  { "template", "what VMs are made of: build, list, show, validate, snapshot, remove, prune",
    &berth_template_help, berth_verb_template },
  { "domain", "a place for a domain of your own: admit", &berth_domain_help, berth_verb_domain },
  { "image", "what VMs boot from: build, prune", &berth_image_help, berth_verb_image },
  { "mcp", "a server of the Model Context Protocol, for AI agents", &berth_mcp_help,
    berth_verb_mcp },
  { "metrics", "the status as numbers, for Prometheus", &berth_metrics_help, berth_verb_metrics },
  { "doctor", "what berth needs of this host, and whether it is there", &berth_doctor_help,
    berth_verb_doctor },
  { NULL, NULL, NULL, NULL },
};

const BerthVerb *
berth_verbs_get_all (void)
{
  return verbs;
}

/**
 * berth_verbs_find:
 * @name: any text
 *
 * Returns: (nullable): the verb of that name
 */
const BerthVerb *
berth_verbs_find (const char *name)
{
  for (const BerthVerb *verb = verbs; verb->name != NULL; verb++)
    if (strcmp (verb->name, name) == 0)
      return verb;
  return NULL;
}
