/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what of background execs is known for how long, and who hears of it when. */
#include "agent-background.h"

#include <stdio.h>
#include <time.h>

#include "agent-exec.h"

/* Data frames of one request in one turn of the loop */
#define FRAMES_A_TURN 4
#define NO_SUCH_EXEC "there is no such exec (any more)"

static uint64_t
realtime_us (void)
{
  struct timespec now;

  clock_gettime (CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

void
berth_agent_background_init (BerthAgentBackground *self, BerthAgentChannel *channel,
                             BerthAgentGroups *groups)
{
  self->channel = channel;
  self->groups = groups;
}

static void
background_send_error (BerthAgentBackground *self, uint32_t request, BerthAgentError code,
                       const char *text)
{
  uint8_t payload[4 + BERTH_TEXT_MAX];
  int size = snprintf ((char *)payload + 4, BERTH_TEXT_MAX, "%s", text);

  berth_le32_write (payload, code);
  berth_agent_channel_send (self->channel, BERTH_FRAME_ERROR, request, payload, 4 + (uint32_t)size);
}

/* ---- records ---- */

static void
background_drop (BerthAgentBackground *self, BerthAgentRecord *record)
{
  for (unsigned i = 0; i < BERTH_ATTACH_MAX; i++)
    {
      BerthAgentAttachment *attachment = &self->attachments[i];

      if (attachment->request == 0 || attachment->record != record)
        continue;
      background_send_error (self, attachment->request, BERTH_AGENT_ERROR_CANCELLED,
                             "what was kept of this exec made room for another's");
      attachment->request = 0;
    }
  berth_agent_log_clear (&record->log);
  record->is_used = false;
}

/* What has not ended yet is told of to nobody any more, and goes with its end. */
void
berth_agent_background_clear (BerthAgentBackground *self)
{
  for (unsigned i = 0; i < BERTH_BACKGROUND_MAX; i++)
    {
      BerthAgentRecord *record = &self->records[i];

      record->number = 0;
      if (record->is_used && record->exec == NULL)
        background_drop (self, record);
    }
}

void
berth_agent_background_free (BerthAgentBackground *self)
{
  for (unsigned i = 0; i < BERTH_BACKGROUND_MAX; i++)
    berth_agent_log_clear (&self->records[i].log);
}

static bool
has_ended (const BerthAgentRecord *record)
{
  return record->is_used && record->exec == NULL;
}

static void
background_drop_oldest (BerthAgentBackground *self)
{
  BerthAgentRecord *oldest = NULL;
  unsigned count = 0;

  for (unsigned i = 0; i < BERTH_BACKGROUND_MAX; i++)
    {
      BerthAgentRecord *record = &self->records[i];

      count += has_ended (record);
      if (has_ended (record) && (oldest == NULL || record->ended < oldest->ended))
        oldest = record;
    }
  if (count > BERTH_ENDED_MAX)
    background_drop (self, oldest);
}

static uint32_t
background_log_max (const BerthAgentBackground *self, const BerthExecHead *head)
{
  uint32_t mb = self->version >= BERTH_LOG_VERSION ? head->stdout_credit : BERTH_LOG_MB;

  if (mb > BERTH_LOG_MAX_MB)
    mb = BERTH_LOG_MAX_MB;
  return (mb > 0 ? mb : BERTH_LOG_MB) << 20;
}

/* There is a place: as many execs run as may, and more ends are not kept. */
BerthAgentRecord *
berth_agent_background_add (BerthAgentBackground *self, BerthAgentExec *exec,
                            const BerthExecHead *head, const char *words, uint32_t words_size)
{
  BerthAgentRecord *record = self->records;

  while (record->is_used)
    record++;
  *record = (BerthAgentRecord){
    .is_used = true, .flags = head->flags, .timeout_ms = head->timeout_ms, .exec = exec
  };
  berth_agent_log_init (&record->log, self->groups, background_log_max (self, head));
  memcpy (record->words, words, words_size);
  record->words_size = words_size;
  return record;
}

uint32_t
berth_agent_background_begin (BerthAgentBackground *self, BerthAgentRecord *record)
{
  record->number = ++self->last;
  record->begun_us = realtime_us ();
  return record->number;
}

void
berth_agent_background_keep (BerthAgentBackground *self, BerthAgentRecord *record, uint32_t stream,
                             const uint8_t *bytes, uint32_t size)
{
  berth_agent_log_append (&record->log, stream, realtime_us (), bytes, size);
  berth_agent_background_pump (self);
}

/* Nobody was told of one that did not begin: who asked for it hears of its end instead. */
static void
background_close (BerthAgentBackground *self, BerthAgentRecord *record)
{
  record->exec = NULL;
  record->ended = ++self->ended;
  if (record->number == 0)
    background_drop (self, record);
  else
    background_drop_oldest (self);
  berth_agent_background_pump (self);
}

void
berth_agent_background_end (BerthAgentBackground *self, BerthAgentRecord *record,
                            const BerthExit *exit)
{
  record->exit = *exit;
  background_close (self, record);
}

void
berth_agent_background_fail (BerthAgentBackground *self, BerthAgentRecord *record)
{
  record->has_failed = true;
  background_close (self, record);
}

static BerthAgentRecord *
background_find (BerthAgentBackground *self, uint32_t number)
{
  for (unsigned i = 0; number != 0 && i < BERTH_BACKGROUND_MAX; i++)
    if (self->records[i].is_used && self->records[i].number == number)
      return &self->records[i];
  return NULL;
}

/* ---- requests ---- */

static BerthAgentAttachment *
background_find_request (BerthAgentBackground *self, uint32_t request)
{
  for (unsigned i = 0; i < BERTH_ATTACH_MAX; i++)
    if (self->attachments[i].request == request)
      return &self->attachments[i];
  return NULL;
}

bool
berth_agent_background_has (BerthAgentBackground *self, uint32_t request)
{
  return request != 0 && background_find_request (self, request) != NULL;
}

/* Standard input waits for the next one who attaches. */
static void
attachment_let_go (BerthAgentAttachment *attachment)
{
  if (attachment->flags & BERTH_ATTACH_STDIN && attachment->record->exec != NULL)
    berth_agent_exec_bind_stdin (attachment->record->exec, 0);
  attachment->request = 0;
}

void
berth_agent_background_let_go (BerthAgentBackground *self)
{
  for (unsigned i = 0; i < BERTH_ATTACH_MAX; i++)
    if (self->attachments[i].request != 0)
      attachment_let_go (&self->attachments[i]);
}

static void
attachment_fail (BerthAgentBackground *self, BerthAgentAttachment *attachment, BerthAgentError code,
                 const char *text)
{
  uint32_t request = attachment->request;

  attachment_let_go (attachment);
  background_send_error (self, request, code, text);
}

static void
attachment_end (BerthAgentBackground *self, BerthAgentAttachment *attachment, uint32_t type,
                const void *payload, uint32_t size)
{
  uint32_t request = attachment->request;
  uint8_t lost[8];

  attachment_let_go (attachment);
  berth_le64_write (lost, attachment->lost);
  if (attachment->lost > 0)
    berth_agent_channel_send (self->channel, BERTH_FRAME_LOST, request, lost, sizeof lost);
  berth_agent_channel_send (self->channel, type, request, payload, size);
}

static BerthExecsEntry
make_entry (const BerthAgentRecord *record)
{
  BerthExit exit = record->exit;
  uint64_t memory = 0;

  if (record->exec != NULL)
    berth_agent_exec_measure (record->exec, &exit, &memory);
  return (BerthExecsEntry){
    .exec = record->number,
    .state = record->has_failed     ? BERTH_EXEC_HAS_FAILED
             : record->exec == NULL ? BERTH_EXEC_HAS_ENDED
                                    : BERTH_EXEC_RUNS,
    .flags = record->flags,
    .words_size = record->words_size,
    .begun_us = record->begun_us,
    .memory_bytes = memory,
    .kept_bytes = record->log.end - record->log.begin,
    .lost_bytes = record->log.dropped,
    .exit = exit,
  };
}

static BerthExecsMore
make_more (const BerthAgentRecord *record)
{
  return (BerthExecsMore){
    .timeout_ms = record->timeout_ms,
    .is_attended = record->exec != NULL && berth_agent_exec_is_attended (record->exec),
  };
}

static uint32_t
put (uint8_t *room, uint32_t at, const void *bytes, uint32_t size)
{
  memcpy (room + at, bytes, size);
  return at + size;
}

/* All of them fit into one frame. */
static void
background_send_list (BerthAgentBackground *self, BerthAgentAttachment *attachment, uint8_t *room)
{
  uint32_t size = 0;

  _Static_assert(BERTH_BACKGROUND_MAX
                         * (sizeof (BerthExecsEntry) + sizeof (BerthExecsMore) + BERTH_WORDS_MAX)
                     <= BERTH_AGENT_CHANNEL_CHUNK,
                 "the longest list is one frame");
  for (unsigned i = 0; i < BERTH_BACKGROUND_MAX; i++)
    {
      const BerthAgentRecord *record = &self->records[i];
      BerthExecsEntry entry;
      BerthExecsMore more;

      if (!record->is_used || record->number == 0)
        continue;
      entry = make_entry (record);
      more = make_more (record);
      size = put (room, size, &entry, sizeof entry);
      if (self->version >= BERTH_EXECS_MORE_VERSION)
        size = put (room, size, &more, sizeof more);
      size = put (room, size, record->words, record->words_size);
    }
  if (size > 0)
    berth_agent_channel_send_data (self->channel, attachment->request, BERTH_STREAM_FILE, size);
  attachment_end (self, attachment, BERTH_FRAME_DETACHED, NULL, 0);
}

static void
attachment_send_room (BerthAgentBackground *self, BerthAgentAttachment *attachment, uint32_t stream,
                      uint32_t size)
{
  attachment->credit[stream] -= size;
  if (size > 0)
    berth_agent_channel_send_data (self->channel, attachment->request, BERTH_STREAM_STDOUT + stream,
                                   size);
}

/* How much of what a terminal has shown comes next. */
static uint64_t
attachment_count_shown (const BerthAgentAttachment *attachment)
{
  const BerthAgentLogCursor *cursor = &attachment->cursor;
  uint64_t at = cursor->position + BERTH_AGENT_LOG_HEAD + cursor->taken;

  if (!(attachment->flags & BERTH_ATTACH_TERMINAL) || at >= attachment->record->shown)
    return 0;
  return attachment->record->shown - at;
}

/* Sends what a terminal has shown already, up to so much of it, again. */
static bool
attachment_replay (BerthAgentBackground *self, BerthAgentAttachment *attachment, uint32_t stream,
                   uint32_t size, uint8_t *room)
{
  uint8_t bytes[BERTH_AGENT_LOG_PIECE];
  uint32_t credit = attachment->credit[stream];

  if (credit <= BERTH_REPLAY_HELD)
    return false;
  if (size > credit - BERTH_REPLAY_HELD)
    size = credit - BERTH_REPLAY_HELD;
  if (size > sizeof bytes)
    size = sizeof bytes;
  berth_agent_log_read (&attachment->record->log, &attachment->cursor, bytes, size);
  size = berth_replay_pass (&attachment->replay, bytes, size, room);
  attachment_send_room (self, attachment, stream, size);
  return true;
}

/* Sends what of that was held back, as there is no more of it. */
static bool
attachment_end_replay (BerthAgentBackground *self, BerthAgentAttachment *attachment, uint8_t *room)
{
  if (attachment->credit[0] < attachment->replay.fill)
    return false;
  attachment_send_room (self, attachment, 0, berth_replay_end (&attachment->replay, room));
  return true;
}

static void
attachment_note_shown (BerthAgentAttachment *attachment)
{
  const BerthAgentLogCursor *cursor = &attachment->cursor;

  if (attachment->flags & BERTH_ATTACH_TERMINAL)
    attachment->record->shown = cursor->position + BERTH_AGENT_LOG_HEAD + cursor->taken;
}

/* Sends a frame of its output; false: there is none, or no credit. */
static bool
attachment_send (BerthAgentBackground *self, BerthAgentAttachment *attachment, uint8_t *room)
{
  uint32_t stream = 0, size;
  uint64_t shown;

  size = berth_agent_log_peek (&attachment->record->log, &attachment->cursor, &stream,
                               &attachment->lost);
  shown = attachment_count_shown (attachment);
  if ((size == 0 || shown == 0) && attachment->replay.fill > 0)
    return attachment_end_replay (self, attachment, room);
  /* programs' bytes stand beside the ring's heads: what a head says is looked at like their word */
  if (size == 0 || stream >= 2)
    return false;
  if (shown > 0)
    return attachment_replay (self, attachment, stream, size < shown ? size : (uint32_t)shown,
                              room);
  if (size > attachment->credit[stream])
    size = attachment->credit[stream];
  if (size > BERTH_AGENT_CHANNEL_CHUNK)
    size = BERTH_AGENT_CHANNEL_CHUNK;
  if (size == 0)
    return false;
  berth_agent_log_read (&attachment->record->log, &attachment->cursor, room, size);
  attachment_send_room (self, attachment, stream, size);
  attachment_note_shown (attachment);
  return true;
}

/* Whether it has all that there is. */
static bool
attachment_has_all (BerthAgentAttachment *attachment)
{
  uint32_t stream;

  return attachment->flags & BERTH_ATTACH_ENDS
         || (attachment->replay.fill == 0
             && berth_agent_log_peek (&attachment->record->log, &attachment->cursor, &stream,
                                      &attachment->lost)
                    == 0);
}

static void
attachment_check (BerthAgentBackground *self, BerthAgentAttachment *attachment)
{
  const BerthAgentRecord *record = attachment->record;

  if (!attachment_has_all (attachment))
    return;
  if (record->has_failed)
    attachment_fail (self, attachment, BERTH_AGENT_ERROR_INTERNAL,
                     "the session's interpreter ended before it took the code");
  else if (record->exec == NULL)
    attachment_end (self, attachment, BERTH_FRAME_EXIT, &record->exit, sizeof record->exit);
  else if (!(attachment->flags & BERTH_ATTACH_FOLLOWS))
    attachment_end (self, attachment, BERTH_FRAME_DETACHED, NULL, 0);
}

static void
attachment_pump (BerthAgentBackground *self, BerthAgentAttachment *attachment)
{
  for (unsigned i = 0; i < FRAMES_A_TURN; i++)
    {
      uint8_t *room = berth_agent_channel_data_room (self->channel);

      /* what is behind it in the channel may be an end: no data may come after that */
      if (room == NULL)
        return;
      if (attachment->record == NULL)
        {
          background_send_list (self, attachment, room);
          return;
        }
      if (attachment->flags & BERTH_ATTACH_ENDS || !attachment_send (self, attachment, room))
        break;
    }
  attachment_check (self, attachment);
}

/* Each time another one comes first. */
void
berth_agent_background_pump (BerthAgentBackground *self)
{
  self->turn = (self->turn + 1) % BERTH_ATTACH_MAX;
  for (unsigned i = 0; i < BERTH_ATTACH_MAX; i++)
    {
      BerthAgentAttachment *attachment = &self->attachments[(self->turn + i) % BERTH_ATTACH_MAX];

      if (attachment->request != 0)
        attachment_pump (self, attachment);
    }
}

/* ---- what the host asks ---- */

static bool
background_ask_attach (BerthAgentBackground *self, BerthAgentAttachment *attachment,
                       const uint8_t *payload)
{
  BerthAttachHead head;

  memcpy (&head, payload, sizeof head);
  if (head.stdout_credit > BERTH_CREDIT_MAX || head.stderr_credit > BERTH_CREDIT_MAX)
    return false;
  attachment->record = background_find (self, head.exec);
  attachment->flags = head.flags & ~BERTH_ATTACH_STDIN;
  if (head.flags & BERTH_ATTACH_TERMINAL && !(head.flags & BERTH_ATTACH_STDIN))
    return false;
  attachment->credit[0] = head.stdout_credit;
  attachment->credit[1] = head.stderr_credit;
  if (attachment->record == NULL)
    {
      attachment_fail (self, attachment, BERTH_AGENT_ERROR_INVALID, NO_SUCH_EXEC);
      return true;
    }
  if (head.flags & BERTH_ATTACH_TERMINAL && !(attachment->record->flags & BERTH_EXEC_TERMINAL))
    {
      attachment_fail (self, attachment, BERTH_AGENT_ERROR_INVALID, "it has no terminal");
      return true;
    }
  berth_agent_log_seek (&attachment->record->log, &attachment->cursor, head.since_us);
  if (head.flags & BERTH_ATTACH_STDIN && attachment->record->exec != NULL)
    {
      if (!berth_agent_exec_bind_stdin (attachment->record->exec, attachment->request))
        {
          attachment_fail (self, attachment, BERTH_AGENT_ERROR_INVALID,
                           head.flags & BERTH_ATTACH_TERMINAL
                               ? "somebody types there already"
                               : "its standard input is closed, or somebody else's");
          return true;
        }
      attachment->flags |= BERTH_ATTACH_STDIN;
    }
  return true;
}

static void
background_ask_signal (BerthAgentBackground *self, BerthAgentAttachment *attachment,
                       const uint8_t *payload)
{
  BerthAgentRecord *record = background_find (self, berth_le32_read (payload));
  uint32_t signal = berth_le32_read (payload + 4);

  if (record == NULL)
    attachment_fail (self, attachment, BERTH_AGENT_ERROR_INVALID, NO_SUCH_EXEC);
  else if (signal > BERTH_SIGNAL_MAX)
    attachment_fail (self, attachment, BERTH_AGENT_ERROR_INVALID, "there is no such signal");
  else
    {
      if (record->exec != NULL)
        berth_agent_exec_signal (record->exec, signal);
      attachment_end (self, attachment, BERTH_FRAME_DETACHED, NULL, 0);
    }
}

bool
berth_agent_background_ask (BerthAgentBackground *self, const BerthFrameHead *head,
                            const uint8_t *payload)
{
  BerthAgentAttachment *attachment = background_find_request (self, 0);
  bool ok = true;

  if (head->request == 0)
    return false;
  if (attachment == NULL)
    {
      background_send_error (self, head->request, BERTH_AGENT_ERROR_BUSY,
                             "as many read of background execs as may");
      return true;
    }
  *attachment = (BerthAgentAttachment){ .request = head->request };
  if (head->type == BERTH_FRAME_ATTACH)
    ok = background_ask_attach (self, attachment, payload);
  else if (head->type == BERTH_FRAME_SIGNAL)
    background_ask_signal (self, attachment, payload);
  berth_agent_background_pump (self);
  return ok;
}

/* One that has ended has no terminal any more, and nobody is told. */
static bool
attachment_resize (BerthAgentAttachment *attachment, const uint8_t *payload)
{
  if (!(attachment->flags & BERTH_ATTACH_TERMINAL))
    return false;
  return attachment->record->exec == NULL
         || berth_agent_exec_resize (attachment->record->exec, berth_le32_read (payload),
                                     berth_le32_read (payload + 4));
}

static bool
attachment_add_credit (BerthAgentAttachment *attachment, uint32_t stream, uint32_t bytes)
{
  uint32_t *credit = &attachment->credit[stream == BERTH_STREAM_STDOUT ? 0 : 1];

  if ((stream != BERTH_STREAM_STDOUT && stream != BERTH_STREAM_STDERR)
      || bytes > BERTH_CREDIT_MAX - *credit)
    return false;
  *credit += bytes;
  return true;
}

bool
berth_agent_background_take (BerthAgentBackground *self, const BerthFrameHead *head,
                             const uint8_t *payload)
{
  BerthAgentAttachment *attachment = background_find_request (self, head->request);
  uint32_t stream = head->type != BERTH_FRAME_KILL ? berth_le32_read (payload) : 0;
  bool ok = true;

  if (head->type == BERTH_FRAME_KILL)
    attachment_end (self, attachment, BERTH_FRAME_DETACHED, NULL, 0);
  else if (head->type == BERTH_FRAME_CREDIT)
    ok = attachment_add_credit (attachment, stream, berth_le32_read (payload + 4));
  else if (head->type == BERTH_FRAME_RESIZE)
    ok = attachment_resize (attachment, payload);
  else if (head->type != BERTH_FRAME_DATA || stream != BERTH_STREAM_STDIN)
    ok = false;
  else if (attachment->flags & BERTH_ATTACH_STDIN && attachment->record->exec != NULL)
    ok = berth_agent_exec_take (attachment->record->exec, stream, payload + 4, head->length - 4);
  berth_agent_background_pump (self);
  return ok;
}
