/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The agent's decoder, byte by byte. */
#include <glib.h>

#include "agent-decoder.h"
#include "decoder-read.h"

typedef struct
{
  BerthAgentDecoder decoder;
  GByteArray *input;
  GString *events; /* a letter a frame: its type; ! a broken rule */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  berth_agent_decoder_hunt (&fixture->decoder);
  fixture->input = g_byte_array_new ();
  fixture->events = g_string_new (NULL);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_byte_array_unref (fixture->input);
  g_string_free (fixture->events, TRUE);
}

static void
add_frame (Fixture *fixture, guint32 type, guint32 length, gconstpointer payload)
{
  guint8 head[BERTH_FRAME_HEAD_SIZE];

  berth_frame_head_write (head, type, 5, length);
  g_byte_array_append (fixture->input, head, sizeof head);
  if (payload != NULL)
    g_byte_array_append (fixture->input, payload, length);
}

static void
add_hello (Fixture *fixture)
{
  BerthHello hello
      = { .version_min = BERTH_PROTOCOL_VERSION, .version_max = BERTH_PROTOCOL_VERSION };

  memcpy (hello.magic, BERTH_PROTOCOL_MAGIC, sizeof hello.magic);
  add_frame (fixture, BERTH_FRAME_HELLO, sizeof hello, &hello);
}

static void
add_zeros (Fixture *fixture, guint count)
{
  g_autofree guint8 *zeros = g_malloc0 (count);

  g_byte_array_append (fixture->input, zeros, count);
}

/* Feeds the input in pieces of this size. */
static void
decode_in (Fixture *fixture, gsize piece, gboolean is_read_there)
{
  for (gsize at = 0; at < fixture->input->len; at += piece)
    {
      const guint8 *bytes = fixture->input->data + at;
      gsize size = MIN (piece, fixture->input->len - at);

      if (is_read_there)
        decoder_read_missing (&fixture->decoder, &bytes, &size);
      while (size > 0 || berth_agent_decoder_is_whole (&fixture->decoder))
        {
          BerthFrameHead head;
          const guint8 *payload;
          BerthAgentDecoderResult result
              = berth_agent_decoder_next (&fixture->decoder, &bytes, &size, &head, &payload);

          if (result == BERTH_AGENT_DECODER_FRAME)
            g_string_append_c (fixture->events, (char)('A' + head.type));
          else if (result == BERTH_AGENT_DECODER_BROKEN)
            g_string_append_c (fixture->events, '!');
        }
    }
}

/* Whether the decoder copies what is missing of a frame or it is read there makes no difference. */
static void
decode (Fixture *fixture, gsize piece)
{
  g_autofree char *copied = NULL;

  decode_in (fixture, piece, FALSE);
  copied = g_strdup (fixture->events->str);
  berth_agent_decoder_hunt (&fixture->decoder);
  g_string_truncate (fixture->events, 0);
  decode_in (fixture, piece, TRUE);
  g_assert_cmpstr (fixture->events->str, ==, copied);
}

#define HELLO "B"
#define PING "F"
#define DATA "Q"

static void
test_pieces (Fixture *fixture, gconstpointer data)
{
  g_autofree guint8 *large = g_malloc0 (BERTH_FRAME_MAX_PAYLOAD);

  add_hello (fixture);
  add_frame (fixture, BERTH_FRAME_PING, 8, "12345678");
  add_frame (fixture, BERTH_FRAME_DATA, BERTH_FRAME_MAX_PAYLOAD, large);
  add_frame (fixture, BERTH_FRAME_PING, 8, "12345678");
  decode (fixture, GPOINTER_TO_SIZE (data));
  g_assert_cmpstr (fixture->events->str, ==, HELLO PING DATA PING);
}

static void
test_nothing_before_hello (Fixture *fixture, gconstpointer data)
{
  add_frame (fixture, BERTH_FRAME_PING, 8, "12345678");
  g_byte_array_append (fixture->input, (const guint8 *)BERTH_PROTOCOL_MAGIC, 8);
  decode (fixture, 7);
  g_assert_cmpstr (fixture->events->str, ==, "");
  g_assert_true (fixture->decoder.hunting);
}

static void
test_sizes_of_types (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    guint32 type, length;
  } bad[] = {
    { BERTH_FRAME_PING, 7 },
    { BERTH_FRAME_PING, 9 },
    { BERTH_FRAME_DATA, 3 },
    { BERTH_FRAME_DATA, BERTH_FRAME_MAX_PAYLOAD + 1 },
    { BERTH_FRAME_HELLO, sizeof (BerthHello) - 1 },
    { BERTH_FRAME_EXEC, sizeof (BerthExecHead) - 1 },
    { BERTH_FRAME_EXEC, sizeof (BerthExecHead) + BERTH_PATH_MAX + 1 },
    { BERTH_FRAME_IDENTITY, G_MAXUINT32 },
    { BERTH_FRAME_CREDIT, 4 },
    { BERTH_FRAME_KILL, 0 },
    { BERTH_FRAME_EXIT, sizeof (BerthExit) },
    { BERTH_FRAME_LINK_OPEN, 7 },
    { BERTH_FRAME_LINK_OPEN, 8 + BERTH_LINK_NAME_MAX + 1 },
    { BERTH_FRAME_LINK_OPENED, 8 },
    { BERTH_FRAME_LINK_END, 0 },
    { BERTH_FRAME_FREEZE, 1 },
    { BERTH_FRAME_THAW, 7 },
    { BERTH_FRAME_FROZEN, 4 },
    { BERTH_FRAME_ALLOW, BERTH_ALLOW_MAX + 1 },
    { BERTH_FRAME_ALLOWED, 0 },
    { 0, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      add_hello (fixture);
      add_frame (fixture, bad[i].type, bad[i].length, NULL);
      add_hello (fixture);
      decode (fixture, 5);
      g_assert_cmpstr (fixture->events->str, ==, HELLO "!" HELLO);
      g_byte_array_set_size (fixture->input, 0);
      g_string_truncate (fixture->events, 0);
    }
}

static void
test_hello_needs_magic (Fixture *fixture, gconstpointer data)
{
  guint8 payload[sizeof (BerthHello)] = "berth-2";

  add_hello (fixture);
  add_frame (fixture, BERTH_FRAME_HELLO, sizeof payload, payload);
  add_hello (fixture);
  decode (fixture, 1);
  g_assert_cmpstr (fixture->events->str, ==, HELLO "!" HELLO);
}

/* The HELLO begins within what was taken for a head, at every possible place. */
static void
test_hello_behind_garbage (Fixture *fixture, gconstpointer data)
{
  for (guint garbage = 1; garbage < 60; garbage++)
    {
      berth_agent_decoder_hunt (&fixture->decoder);
      g_byte_array_set_size (fixture->input, 0);
      g_string_truncate (fixture->events, 0);
      add_hello (fixture);
      add_zeros (fixture, garbage);
      add_hello (fixture);
      decode (fixture, 3);
      g_assert_cmpstr (fixture->events->str, ==, HELLO "!" HELLO);
    }
}

/* berth-protocol.h, Life of a connection: whatever was half sent, the padding ends it. */
static void
test_padding (Fixture *fixture, gconstpointer data)
{
  for (guint sent = 1; sent < 600; sent += 7)
    {
      berth_agent_decoder_hunt (&fixture->decoder);
      g_byte_array_set_size (fixture->input, 0);
      g_string_truncate (fixture->events, 0);
      add_hello (fixture);
      add_frame (fixture, BERTH_FRAME_DATA, BERTH_FRAME_MAX_PAYLOAD, NULL);
      add_zeros (fixture, sent);
      add_zeros (fixture, BERTH_PROTOCOL_PADDING);
      add_hello (fixture);
      decode (fixture, 4096);
      g_assert_cmpstr (fixture->events->str, ==, HELLO DATA "!" HELLO);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/agent-decoder/pieces/1", Fixture, GSIZE_TO_POINTER (1), set_up, test_pieces,
              tear_down);
  g_test_add ("/agent-decoder/pieces/13", Fixture, GSIZE_TO_POINTER (13), set_up, test_pieces,
              tear_down);
  g_test_add ("/agent-decoder/pieces/all", Fixture, GSIZE_TO_POINTER (1 << 20), set_up, test_pieces,
              tear_down);
  g_test_add ("/agent-decoder/nothing-before-hello", Fixture, NULL, set_up,
              test_nothing_before_hello, tear_down);
  g_test_add ("/agent-decoder/sizes-of-types", Fixture, NULL, set_up, test_sizes_of_types,
              tear_down);
  g_test_add ("/agent-decoder/hello-needs-magic", Fixture, NULL, set_up, test_hello_needs_magic,
              tear_down);
  g_test_add ("/agent-decoder/hello-behind-garbage", Fixture, NULL, set_up,
              test_hello_behind_garbage, tear_down);
  g_test_add ("/agent-decoder/padding", Fixture, NULL, set_up, test_padding, tear_down);
  return g_test_run ();
}
