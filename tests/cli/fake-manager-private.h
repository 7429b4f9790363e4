/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the scripted manager's files share. */
#pragma once

#include "plugin/manager/berth-manager.h"

G_BEGIN_DECLS

/* "fail-gone" and its like are templates that end so */
gboolean fake_manager_check_template (const char *name, GError **error);
/* The template "slow" boots; others do not. */
void fake_manager_boot (const BerthSandboxOptions *options);

G_END_DECLS
