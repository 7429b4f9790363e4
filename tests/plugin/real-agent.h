/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's end with the agent itself, which runs on this host. */
#pragma once

#include "agent-fixture.h"

G_BEGIN_DECLS

/* set by main() before the first test */
extern const char *agent_program;
extern const char *agent_runners;

/* Greeted already */
void set_up_real (Fixture *fixture, gconstpointer data);
void tear_down_real (Fixture *fixture, gconstpointer data);

G_END_DECLS
