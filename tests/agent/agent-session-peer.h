/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Execs of a session, for the tests of it: what each prints and how it ends. */
#pragma once

#include "agent-peer.h"

#define PY BERTH_LANGUAGE_PYTHON
#define JS BERTH_LANGUAGE_JAVASCRIPT
#define SH BERTH_LANGUAGE_SHELL

typedef struct
{
  const char *name; /* a row or a line of contract.md */
  void (*run) (AgentPeer *peer, gconstpointer data);
} SessionTest;

AgentResult *session_exec (AgentPeer *peer, BerthLanguage language, const char *code);
AgentResult *session_exec_with (AgentPeer *peer, AgentExec exec);
void session_assert (AgentPeer *peer, BerthLanguage language, const char *code, int status,
                     const char *out, const char *err);
void session_assert_fresh (AgentPeer *peer, BerthLanguage language, gboolean is_fresh);
void session_mark (AgentPeer *peer, BerthLanguage language);
gboolean session_has_node (void);
GPid session_read_pid (AgentPeer *peer, const char *name);
void session_add_tests (const char *group, const SessionTest *tests, guint count);
