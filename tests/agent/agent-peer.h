/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A host that a test plays: starts the agent on a plain Unix socket and talks to it frame by frame.
 * Every wait has an end; a test that would hang fails instead. */
#pragma once

#include <glib.h>

#include "berth-protocol.h"

#define AGENT_CREDIT (1024u * 1024u)

typedef struct
{
  char *dir;              /* of this test: home, runners, socket */
  char *home;             /* in it */
  char *cgroup;           /* NULL: none */
  const char *home_tmpfs; /* mount options of a file system of its own for home; NULL: none */
  GPid pid;
  int fd; /* -1: not connected */
  guint32 request;
} AgentPeer;

typedef struct
{
  BerthFrameHead head;
  guint8 payload[BERTH_FRAME_MAX_PAYLOAD];
} AgentFrame;

/* What an exec is asked with; zeros are defaults. */
typedef struct
{
  BerthLanguage language;
  const char *code;
  gssize code_size;       /* 0: of a string */
  const char *const *env; /* NAME=VALUE, NULL at the end */
  const char *workdir;    /* NULL: none */
  guint timeout_ms;       /* 0: 30 s */
  guint32 flags;
  gint64 credit; /* of each stream; 0: AGENT_CREDIT, -1: none */
} AgentExec;

typedef struct
{
  GString *out, *err;
  gboolean is_started;
  BerthExit exit;
  guint32 error; /* BerthAgentError, 0: it has an exit */
  char *text;
} AgentResult;

void agent_result_free (AgentResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgentResult, agent_result_free)

extern const char *agent_program;
int agent_test_main (int argc, char **argv, void (*add) (void));

typedef struct
{
  const char *name;
  void (*run) (AgentPeer *peer, gconstpointer data);
} AgentTest;

/* Each of @tests with an agent that has a cgroup, and with one that has none. */
void agent_test_add (const char *group, const AgentTest *tests, guint count);

void agent_peer_start (AgentPeer *peer, gconstpointer language);
void agent_peer_start_in_cgroup (AgentPeer *peer, gconstpointer language);
void agent_peer_stop (AgentPeer *peer, gconstpointer language);
void agent_peer_connect (AgentPeer *peer);
void agent_peer_disconnect (AgentPeer *peer);

void agent_peer_send_bytes (AgentPeer *peer, gconstpointer bytes, gsize size);
void agent_peer_send (AgentPeer *peer, guint32 type, guint32 request, gconstpointer payload,
                      guint32 size);
void agent_peer_read (AgentPeer *peer, AgentFrame *out_frame);
gboolean agent_peer_is_quiet (AgentPeer *peer, guint ms);
BerthHelloReply agent_peer_hello (AgentPeer *peer, guint32 flags);
BerthHelloReply agent_peer_hello_as (AgentPeer *peer, guint32 version, guint32 flags);
void agent_peer_wait_ready (AgentPeer *peer);
void agent_peer_ping (AgentPeer *peer);
void agent_peer_expect_silence (AgentPeer *peer);

guint32 agent_peer_send_exec (AgentPeer *peer, const AgentExec *exec);
void agent_peer_send_kill (AgentPeer *peer, guint32 request, guint32 grace_ms);
void agent_peer_send_stdin (AgentPeer *peer, guint32 request, const char *bytes, gsize size);
void agent_peer_send_credit (AgentPeer *peer, guint32 request, guint32 stream, guint32 bytes);
void agent_peer_expect (AgentPeer *peer, guint32 request, guint32 type, AgentFrame *out_frame);
AgentResult *agent_peer_collect (AgentPeer *peer, guint32 request);
AgentResult *agent_peer_run (AgentPeer *peer, const AgentExec *exec);
AgentResult *agent_peer_shell (AgentPeer *peer, const char *code);

void agent_assert_err (const AgentResult *result, const char *expected);
void agent_assert_exit (const AgentResult *result, int status);
gboolean agent_wait_for_file (AgentPeer *peer, const char *name);
gboolean agent_wait_gone (AgentPeer *peer, GPid pid);
