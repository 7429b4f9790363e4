/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs of the command: what each is called, says and does. It takes its own argc and argv
 * (argv[0] is the program) and returns the exit status. */
#pragma once

#include "plugin/cli/berth-cli-options.h"

G_BEGIN_DECLS

/**
 * BerthVerb:
 * @name: what it is called by
 * @summary: a line of the command's own help
 * @help: what it takes and says of itself
 * @run: does it
 */
typedef struct
{
  const char *name;
  const char *summary;
  const BerthVerbHelp *help;
  int (*run) (int argc, char **argv);
} BerthVerb;

/* (array zero-terminated=1): all but "complete", which is for shells and not for people */
const BerthVerb *berth_verbs_get_all (void);
const BerthVerb *berth_verbs_find (const char *name);

GVariant *berth_verb_ask (const BerthVerbHelp *help, BerthOptionValues *values, int argc,
                          char **argv, const char *method, const char *reply_type, GError **error);

char *berth_verb_dup_list_text (GVariant *vms);
char *berth_verb_dup_status_text (GVariant *status, gboolean explains);

int berth_verb_run (int argc, char **argv);
int berth_verb_exec (int argc, char **argv);
int berth_verb_shell (int argc, char **argv);
int berth_verb_create (int argc, char **argv);
int berth_verb_fork (int argc, char **argv);
int berth_verb_destroy (int argc, char **argv);
int berth_verb_checkpoint (int argc, char **argv);
int berth_verb_rollback (int argc, char **argv);
int berth_verb_hibernate (int argc, char **argv);
int berth_verb_pause (int argc, char **argv);
int berth_verb_resume (int argc, char **argv);
int berth_verb_ps (int argc, char **argv);
int berth_verb_logs (int argc, char **argv);
int berth_verb_attach (int argc, char **argv);
int berth_verb_wait (int argc, char **argv);
int berth_verb_kill (int argc, char **argv);
int berth_verb_port (int argc, char **argv);
int berth_verb_net (int argc, char **argv);
int berth_verb_put (int argc, char **argv);
int berth_verb_get (int argc, char **argv);
int berth_verb_ls (int argc, char **argv);
int berth_verb_list (int argc, char **argv);
int berth_verb_status (int argc, char **argv);
int berth_verb_top (int argc, char **argv);
int berth_verb_doctor (int argc, char **argv);
int berth_verb_mcp (int argc, char **argv);
int berth_verb_metrics (int argc, char **argv);
int berth_verb_domain (int argc, char **argv);
int berth_verb_drain (int argc, char **argv);
int berth_verb_pool (int argc, char **argv);
int berth_verb_template (int argc, char **argv);
int berth_verb_image (int argc, char **argv);
int berth_verb_complete (int argc, char **argv);

extern const BerthVerbHelp berth_run_help;
extern const BerthVerbHelp berth_exec_help;
extern const BerthVerbHelp berth_shell_help;
extern const BerthVerbHelp berth_create_help;
extern const BerthVerbHelp berth_fork_help;
extern const BerthVerbHelp berth_destroy_help;
extern const BerthVerbHelp berth_checkpoint_help;
extern const BerthVerbHelp berth_rollback_help;
extern const BerthVerbHelp berth_hibernate_help;
extern const BerthVerbHelp berth_pause_help;
extern const BerthVerbHelp berth_resume_help;
extern const BerthVerbHelp berth_ps_help;
extern const BerthVerbHelp berth_logs_help;
extern const BerthVerbHelp berth_attach_help;
extern const BerthVerbHelp berth_wait_help;
extern const BerthVerbHelp berth_kill_help;
extern const BerthVerbHelp berth_port_help;
extern const BerthVerbHelp berth_net_help;
extern const BerthVerbHelp berth_put_help;
extern const BerthVerbHelp berth_get_help;
extern const BerthVerbHelp berth_ls_help;
extern const BerthVerbHelp berth_list_help;
extern const BerthVerbHelp berth_status_help;
extern const BerthVerbHelp berth_top_help;
extern const BerthVerbHelp berth_doctor_help;
extern const BerthVerbHelp berth_mcp_help;
extern const BerthVerbHelp berth_metrics_help;
extern const BerthVerbHelp berth_domain_help;
extern const BerthVerbHelp berth_drain_help;
extern const BerthVerbHelp berth_pool_help;
extern const BerthVerbHelp berth_template_help;
extern const BerthVerbHelp berth_image_help;

G_END_DECLS
