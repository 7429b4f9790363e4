/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs of the command. Each takes its own argc and argv (argv[0] is the program) and returns
 * the exit status. */
#pragma once

#include "plugin/cli/berth-cli-options.h"

G_BEGIN_DECLS

GVariant *berth_verb_ask (const BerthVerbHelp *help, BerthOptionValues *values, int argc,
                          char **argv, const char *method, const char *reply_type, GError **error);

int berth_verb_run (int argc, char **argv);
int berth_verb_exec (int argc, char **argv);
int berth_verb_create (int argc, char **argv);
int berth_verb_destroy (int argc, char **argv);
int berth_verb_put (int argc, char **argv);
int berth_verb_get (int argc, char **argv);
int berth_verb_ls (int argc, char **argv);
int berth_verb_list (int argc, char **argv);
int berth_verb_status (int argc, char **argv);
int berth_verb_doctor (int argc, char **argv);
int berth_verb_metrics (int argc, char **argv);
int berth_verb_pool (int argc, char **argv);
int berth_verb_template (int argc, char **argv);

G_END_DECLS
