/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PUT, GET and LS as a host sends them, on top of agent-peer.h. */
#pragma once

#include "agent-peer.h"

/* How one of them ended. */
typedef struct
{
  guint32 error; /* BerthAgentError; 0: done */
  char *text;
  BerthFileDone done;
  GByteArray *data;
} FileResult;

void file_result_free (FileResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FileResult, file_result_free)

guint32 file_send_put (AgentPeer *peer, const char *path, gsize path_size, guint64 size,
                       guint32 mode, guint32 flags);
/* With holes; what is in them is not sent. */
guint32 file_send_put_holes (AgentPeer *peer, const char *path, guint64 size,
                             const BerthHole *holes, guint count);
guint32 file_send_get (AgentPeer *peer, const char *path, guint64 size_max, guint32 credit);
guint32 file_send_ls (AgentPeer *peer, const char *path, const char *after, guint32 count_max);
void file_wait_credit (AgentPeer *peer, guint32 request);
void file_wait_space (AgentPeer *peer, guint32 request);
void file_send_data (AgentPeer *peer, guint32 request, const void *bytes, gsize size);
void file_send_done (AgentPeer *peer, guint32 request, const void *bytes, gsize size);

FileResult *file_collect (AgentPeer *peer, guint32 request);
FileResult *file_finish_put (AgentPeer *peer, guint32 request, const void *bytes, gsize size);
FileResult *
file_put (AgentPeer *peer, const char *path, const void *bytes, gsize size, guint32 mode);
FileResult *file_get (AgentPeer *peer, const char *path);
FileResult *file_ls (AgentPeer *peer, const char *path, const char *after, guint32 count_max);
char *file_names (const FileResult *listing);

/* Of its home, as the test sees it: */
char *file_home_path (AgentPeer *peer, const char *name);
void file_make_file (AgentPeer *peer, const char *name, const char *text);
void file_make_link (AgentPeer *peer, const char *target, const char *name);
void file_make_folder (AgentPeer *peer, const char *name);
void file_assert_file (AgentPeer *peer, const char *name, const char *text);
void file_put_ok (AgentPeer *peer, const char *path, const char *text);
void file_get_ok (AgentPeer *peer, const char *path, const char *text);

void file_assert_done (const FileResult *result);
void file_assert_refused (const FileResult *result, BerthAgentError code, const char *part);
void file_assert_home (AgentPeer *peer, const char *names);
