/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's frame decoder: what a guest may send, byte by byte, and what it may not. */
#include <glib.h>

#include "agent-fixture.h"

static const guint8 nonce[BERTH_PROTOCOL_NONCE_SIZE] = "0123456789abcde";

static void
append_hello (GByteArray *bytes, const guint8 *returned)
{
  BerthHelloReply reply = { .version = BERTH_PROTOCOL_VERSION };

  memcpy (reply.magic, BERTH_PROTOCOL_MAGIC, sizeof reply.magic);
  memcpy (reply.nonce, returned, sizeof reply.nonce);
  append_frame (bytes, BERTH_FRAME_HELLO_REPLY, 1, &reply, sizeof reply);
}

/* Feeds @bytes in pieces of @step and tells the types of the frames that come out, "?" at the end
 * for an error. */
static char *
decode (BerthFrameDecoder *decoder, const GByteArray *bytes, gsize step)
{
  g_autoptr (GString) types = g_string_new (NULL);
  gsize done = 0;

  for (;;)
    {
      g_autoptr (GError) error = NULL;
      BerthFrame frame;
      gsize room;
      guint8 *into;

      if (berth_frame_decoder_next (decoder, &frame, &error))
        {
          g_string_append_printf (types, "%u ", frame.type);
          continue;
        }
      if (error != NULL)
        {
          g_assert_true (error->domain == BERTH_PROTOCOL_ERROR);
          g_string_append_c (types, '?');
          break;
        }
      if (done == bytes->len)
        break;
      into = berth_frame_decoder_reserve (decoder, &room);
      g_assert_cmpuint (room, >, 0);
      room = MIN (MIN (room, step), bytes->len - done);
      memcpy (into, bytes->data + done, room);
      berth_frame_decoder_commit (decoder, room);
      done += room;
    }
  return g_string_free (g_steal_pointer (&types), FALSE);
}

static void
assert_decodes (const GByteArray *bytes, gboolean hunts, const char *expected)
{
  const gsize steps[] = { 1, 7, 4096, G_MAXSIZE };

  for (gsize i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      g_autoptr (BerthFrameDecoder) decoder = berth_frame_decoder_new ();
      g_autofree char *types = NULL;

      if (hunts)
        berth_frame_decoder_expect_hello (decoder, nonce);
      types = decode (decoder, bytes, steps[i]);
      g_assert_cmpstr (types, ==, expected);
    }
}

static void
test_hello_after_garbage (void)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint8 garbage[300];
  guint8 old_nonce[BERTH_PROTOCOL_NONCE_SIZE] = { 0 };

  for (gsize i = 0; i < sizeof garbage; i++)
    garbage[i] = (guint8)(i * 7);
  g_byte_array_append (bytes, garbage, sizeof garbage);
  g_byte_array_append (bytes, (const guint8 *)BERTH_PROTOCOL_MAGIC, BERTH_PROTOCOL_MAGIC_SIZE);
  append_hello (bytes, old_nonce);
  append_hello (bytes, nonce);
  append_frame (bytes, BERTH_FRAME_STARTED, 2, "", 0);
  assert_decodes (bytes, TRUE, "32 35 ");
}

static void
test_garbage_without_end (void)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  g_byte_array_set_size (bytes, 2 * 1024 * 1024);
  memset (bytes->data, 'x', bytes->len);
  assert_decodes (bytes, TRUE, "?");
}

static void
test_largest_frame (void)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autofree guint8 *payload = g_malloc0 (BERTH_FRAME_MAX_PAYLOAD);

  for (guint i = 0; i < 3; i++)
    append_frame (bytes, BERTH_FRAME_DATA, 1, payload, BERTH_FRAME_MAX_PAYLOAD);
  assert_decodes (bytes, FALSE, "16 16 16 ");
}

static void
test_frame_too_large (void)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint8 head[BERTH_FRAME_HEAD_SIZE];

  berth_frame_head_write (head, BERTH_FRAME_DATA, 1, BERTH_FRAME_MAX_PAYLOAD + 1);
  g_byte_array_append (bytes, head, sizeof head);
  assert_decodes (bytes, FALSE, "?");
}

/* Every fixed-size frame, one byte short and one byte long; types that only a host sends. */
static void
test_wrong_lengths (void)
{
  const struct
  {
    guint32 type;
    guint32 length;
  } frames[] = {
    { BERTH_FRAME_HELLO_REPLY, sizeof (BerthHelloReply) },
    { BERTH_FRAME_READY, 8 },
    { BERTH_FRAME_IDENTITY_DONE, sizeof (BerthIdentityDone) },
    { BERTH_FRAME_EXIT, sizeof (BerthExit) },
    { BERTH_FRAME_PONG, 8 },
    { BERTH_FRAME_CREDIT, 8 },
    { BERTH_FRAME_DONE, sizeof (BerthFileDone) },
    { BERTH_FRAME_LINK_OPENED, 4 },
    { BERTH_FRAME_LINK_END, 4 },
    { BERTH_FRAME_FROZEN, 4 },
  };
  const guint32 foreign[]
      = { 0,   BERTH_FRAME_EXEC, BERTH_FRAME_HELLO, BERTH_FRAME_PING, BERTH_FRAME_FREEZE,
          111, G_MAXUINT32 };
  guint8 payload[256] = { 0 };

  for (gsize i = 0; i < G_N_ELEMENTS (frames); i++)
    for (int off = -1; off <= 1; off++)
      {
        g_autoptr (GByteArray) bytes = g_byte_array_new ();
        g_autofree char *expected
            = off == 0 ? g_strdup_printf ("%u ", frames[i].type) : g_strdup ("?");

        append_frame (bytes, frames[i].type, 1, payload, frames[i].length + (guint)off);
        assert_decodes (bytes, FALSE, expected);
      }
  for (gsize i = 0; i < G_N_ELEMENTS (foreign); i++)
    {
      g_autoptr (GByteArray) bytes = g_byte_array_new ();

      append_frame (bytes, foreign[i], 1, payload, 8);
      assert_decodes (bytes, FALSE, "?");
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/frame-decoder/hello-after-garbage", test_hello_after_garbage);
  g_test_add_func ("/frame-decoder/garbage-without-end", test_garbage_without_end);
  g_test_add_func ("/frame-decoder/largest-frame", test_largest_frame);
  g_test_add_func ("/frame-decoder/frame-too-large", test_frame_too_large);
  g_test_add_func ("/frame-decoder/wrong-lengths", test_wrong_lengths);
  return g_test_run ();
}
