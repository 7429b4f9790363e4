/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the settings' files share. */
#pragma once

#include "plugin/config/berth-config.h"

G_BEGIN_DECLS

#define BERTH_CONFIG_GROUP "berth" /* of the file */

/* PATTERN=NUMBER, no pattern twice; with a @min above 1 a number is that much or 0 */
gboolean
berth_config_tenants_are_valid (char **entries, gboolean is_of_users, guint64 min, guint64 max);
/* Rules of names and ports, or networks */
gboolean
berth_config_network_is_valid (char **entries, gboolean may_be_rules, gboolean may_be_networks);
/* Likewise, each behind UID= or *=, which may also have nothing behind it */
gboolean berth_config_user_network_is_valid (char **entries, gboolean may_be_rules,
                                             gboolean may_be_networks);
/* (transfer full) */
char *berth_config_dup_shipped_template_dir (void);

/* (transfer full): which berthd the one is that listens there */
char *berth_config_dup_instance_of_socket (const char *socket);

/* (transfer full): @system_path, or @name below @user_base for who is not root */
char *berth_config_dup_user_path (const char *system_path, const char *user_base, const char *name);

/* Absolute ones, and at least one */
gboolean berth_config_paths_are_valid (char **paths);

G_END_DECLS
