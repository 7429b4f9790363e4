/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files between the host's end and a guest that the test plays, honest or lying; and the real agent
 * on a plain socket, for all of the way. argv: the agent, the folder of its runners. */
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "file-fixture.h"
#include "real-agent.h"
#include "berth-file-listing.h"
#include "pool/berth-error.h"

#define TEXT "some bytes\n"

static void
test_get (Fixture *fixture, gconstpointer data)
{
  guint8 payload[256];
  int fd = begin (fixture, BERTH_FILE_GET, "folder/file", 0, NULL);
  guint32 request = peer_expect (fixture, BERTH_FRAME_GET, payload);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthFileResult) result = NULL;
  BerthGetHead head;

  memcpy (&head, payload, sizeof head);
  g_assert_cmpuint (head.size_max, ==, BERTH_FILE_SIZE_MAX_DEFAULT);
  g_assert_cmpmem (payload + sizeof head, 11, "folder/file", 11);
  send_data (fixture, request, TEXT, strlen (TEXT));
  send_done (fixture, request, TEXT, strlen (TEXT), S_IFREG | 0755, 0);
  result = finish (fixture, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (result->size, ==, strlen (TEXT));
  g_assert_cmpuint (result->mode, ==, S_IFREG | 0755);
  g_assert_cmpint (read (fd, payload, sizeof payload), ==, (gssize)strlen (TEXT));
  assert_end_of_file (fd);
}

static void
test_get_lies (Fixture *fixture, gconstpointer data)
{
  guint8 payload[256];

  for (guint i = 0; i < 3; i++)
    {
      int fd = begin (fixture, BERTH_FILE_GET, "file", 0, NULL);
      guint32 request = peer_expect (fixture, BERTH_FRAME_GET, payload);

      send_data (fixture, request, TEXT, strlen (TEXT) - (i == 1));
      send_done (fixture, request, i == 2 ? "SOME bytes\n" : TEXT, strlen (TEXT) - (i == 0),
                 S_IFREG, 0);
      assert_fails (fixture, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE, "not what was sent");
      close (fd);
    }
  g_assert_false (fixture->is_closed);
}

static void
test_get_slow_reader (Fixture *fixture, gconstpointer data)
{
  const gsize window = 256 * 1024;
  g_autofree guint8 *much = g_malloc0 (window);
  int fd = begin (fixture, BERTH_FILE_GET, "file", 0, NULL);
  guint32 request = peer_expect (fixture, BERTH_FRAME_GET, much);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthFileResult) result = NULL;
  gsize read_back = 0;

  memset (much, 0, window);
  for (gsize sent = 0; sent < window; settle ())
    {
      gsize part = MIN (window - sent, BERTH_DATA_MAX);

      send_data (fixture, request, much, part);
      sent += part;
    }
  send_done (fixture, request, much, window, S_IFREG, 0);
  settle ();
  g_assert_null (fixture->result); /* the end waits for the file's reader */
  for (; read_back < window; settle ())
    {
      gssize got = read (fd, much, window);

      g_assert_cmpint (got, >, 0);
      read_back += (gsize)got;
    }
  result = finish (fixture, &error);
  g_assert_no_error (error);
  assert_end_of_file (fd);
}

static void
test_get_reader_goes_away (Fixture *fixture, gconstpointer data)
{
  guint8 payload[256];
  guint32 request;

  close (begin (fixture, BERTH_FILE_GET, "file", 0, NULL));
  request = peer_expect (fixture, BERTH_FRAME_GET, payload);
  send_data (fixture, request, TEXT, strlen (TEXT));
  g_assert_cmpuint (peer_expect (fixture, BERTH_FRAME_KILL, payload), ==, request);
  send_data (fixture, request, TEXT, strlen (TEXT)); /* was on its way */
  send_error (fixture, request, BERTH_AGENT_ERROR_CANCELLED, "it was withdrawn");
  assert_fails (fixture, G_IO_ERROR, G_IO_ERROR_CANCELLED, "reader");
}

static void
assert_protocol_error (Fixture *fixture)
{
  assert_fails (fixture, BERTH_ERROR, BERTH_ERROR_GONE, "the VM ended");
  g_assert_true (fixture->is_closed);
}

static void
test_get_beyond_credit (Fixture *fixture, gconstpointer data)
{
  g_autofree guint8 *much = g_malloc0 (BERTH_FRAME_MAX_PAYLOAD);
  int fd = begin (fixture, BERTH_FILE_GET, "file", 0, NULL);
  guint32 request = peer_expect (fixture, BERTH_FRAME_GET, much);

  for (guint i = 0; i < 5; i++, settle ())
    send_data (fixture, request, much, 60000);
  assert_protocol_error (fixture);
  close (fd);
}

static void
test_get_beyond_the_limit (Fixture *fixture, gconstpointer data)
{
  BerthFileRequest *file = berth_file_request_new (BERTH_FILE_GET, "file");
  guint8 payload[256];
  int ends[2];
  guint32 request;

  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  file->fd = hand_over (ends[1], FALSE);
  file->size_max = strlen (TEXT) - 1;
  berth_guest_file_async (fixture->agent, file, NULL, done_cb, fixture);
  request = peer_expect (fixture, BERTH_FRAME_GET, payload);
  send_data (fixture, request, TEXT, strlen (TEXT));
  assert_protocol_error (fixture);
  close (ends[0]);
}

static void
test_put (Fixture *fixture, gconstpointer data)
{
  guint8 payload[256];
  int fd = begin (fixture, BERTH_FILE_PUT, "file", strlen (TEXT), NULL);
  guint32 request = peer_expect (fixture, BERTH_FRAME_PUT, payload);
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthFileResult) result = NULL;
  BerthPutHead head;
  BerthFileDone done;

  memcpy (&head, payload, sizeof head);
  g_assert_cmpuint (head.size, ==, strlen (TEXT));
  g_assert_cmpuint (head.mode, ==, 0644);
  g_assert_cmpint (write (fd, TEXT "and more", 15), ==, 15);
  send_credit (fixture, request, 4);
  settle ();
  g_assert_cmpuint (peer_read (fixture, payload).length, ==, 8);
  send_credit (fixture, request, 1000);
  settle ();
  g_assert_cmpuint (peer_read (fixture, payload).length, ==, 4 + strlen (TEXT) - 4);
  peer_expect (fixture, BERTH_FRAME_DONE, (guint8 *)&done);
  g_assert_cmpuint (done.size, ==, strlen (TEXT));
  send_done (fixture, request, TEXT, strlen (TEXT), S_IFREG | 0644, 0);
  result = finish (fixture, &error);
  g_assert_no_error (error);
  g_assert_nonnull (result->sha256);
  close (fd);
}

/* @data: the agent's protocol: holes are told, or sent as zeros. It is cancelled too late. */
static void
test_put_holes (Fixture *fixture, gconstpointer data)
{
  const guint version = GPOINTER_TO_UINT (data);
  const BerthHole holes[] = { { 0, 3 }, { 5, 60000 }, { 60008, 2 } };
  BerthFileRequest *file = berth_file_request_new (BERTH_FILE_PUT, "file");
  g_autofree guint8 *whole = g_malloc0 (60010);
  g_autofree guint8 *payload = g_malloc (BERTH_FRAME_MAX_PAYLOAD);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GByteArray) came = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthFileResult) result = NULL;
  BerthPutHead head;
  BerthFrameHead frame;
  guint32 request;
  int ends[2];

  greet_as (fixture, version, 0);
  memcpy (whole + 3, "ab", 2);
  memcpy (whole + 60005, "cde", 3);
  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  file->fd = hand_over (ends[0], TRUE);
  file->size = 60010;
  file->holes = g_array_new (FALSE, FALSE, sizeof *holes);
  g_array_append_vals (file->holes, holes, G_N_ELEMENTS (holes));
  berth_guest_file_async (fixture->agent, file, cancellable, done_cb, fixture);
  request = peer_expect (fixture, BERTH_FRAME_PUT, payload);
  memcpy (&head, payload, sizeof head);
  g_assert_cmpuint (head.flags, ==, version < BERTH_PUT_HOLES_VERSION ? 0 : BERTH_PUT_HOLES);
  if (head.flags != 0)
    g_assert_cmpmem (payload + sizeof head + 4, sizeof holes, holes, sizeof holes);
  g_assert_cmpint (write (ends[1], "abcde", 5), ==, 5);
  send_credit (fixture, request, 4000);
  for (guint wanted = head.flags != 0 ? 5 : 60010; came->len < wanted;)
    {
      settle ();
      frame = peer_read (fixture, payload);
      g_assert_cmpuint (frame.type, ==, BERTH_FRAME_DATA);
      g_byte_array_append (came, payload + 4, frame.length - 4);
      send_credit (fixture, request, frame.length - 4);
    }
  peer_expect (fixture, BERTH_FRAME_DONE, payload);
  g_cancellable_cancel (cancellable);
  settle ();
  g_assert_cmpmem (came->data, came->len, head.flags != 0 ? (guint8 *)"abcde" : whole, came->len);
  send_done (fixture, request, came->data, came->len, S_IFREG | 0644, 0);
  result = finish (fixture, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (result->size, ==, 60010);
  g_assert_null (result->sha256);
  close (ends[1]);
}

static void
test_put_ends_early (Fixture *fixture, gconstpointer data)
{
  guint8 payload[256];
  int fd = begin (fixture, BERTH_FILE_PUT, "file", 100, NULL);
  guint32 request = peer_expect (fixture, BERTH_FRAME_PUT, payload);

  g_assert_cmpint (write (fd, TEXT, strlen (TEXT)), ==, (gssize)strlen (TEXT));
  close (fd);
  send_credit (fixture, request, 1000);
  settle ();
  peer_expect (fixture, BERTH_FRAME_DATA, payload);
  peer_expect (fixture, BERTH_FRAME_KILL, payload); /* and no DONE */
  send_error (fixture, request, BERTH_AGENT_ERROR_CANCELLED, "it was withdrawn");
  assert_fails (fixture, BERTH_ERROR, BERTH_ERROR_INVALID, "ended after 11 of 100");
}

/* The guest has told the end of a file that its reader does not take. */
static void
test_reader_does_nothing_at_the_end (Fixture *fixture, gconstpointer data)
{
  BerthFileRequest *file = berth_file_request_new (BERTH_FILE_GET, "file");
  g_autofree guint8 *much = g_malloc0 (BERTH_FRAME_MAX_PAYLOAD);
  const gsize piece = 60000;
  g_autofree guint8 *whole = g_malloc0 (4 * piece);
  guint32 request;
  int ends[2];

  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  file->fd = hand_over (ends[1], FALSE);
  file->caller_idle_us = G_TIME_SPAN_SECOND / 20;
  berth_guest_file_async (fixture->agent, file, NULL, done_cb, fixture);
  request = peer_expect (fixture, BERTH_FRAME_GET, much);
  for (guint i = 0; i < 4; i++, settle ())
    send_data (fixture, request, whole + i * piece, piece);
  send_done (fixture, request, whole, 4 * piece, S_IFREG | 0644, 0);
  assert_fails (fixture, BERTH_ERROR, BERTH_ERROR_INVALID, "its reader took nothing");
  close (ends[0]);
}

/* @data: the kind. Who is to send or take the bytes does nothing for as long as it may. */
static void
test_caller_does_nothing (Fixture *fixture, gconstpointer data)
{
  const BerthFileKind kind = GPOINTER_TO_UINT (data);
  BerthFileRequest *file = berth_file_request_new (kind, "file");
  g_autofree guint8 *much = g_malloc0 (BERTH_FRAME_MAX_PAYLOAD);
  guint32 request;
  int ends[2];

  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  file->fd = hand_over (ends[kind == BERTH_FILE_PUT ? 0 : 1], kind == BERTH_FILE_PUT);
  file->size = 100;
  file->caller_idle_us = G_TIME_SPAN_SECOND / 20;
  berth_guest_file_async (fixture->agent, file, NULL, done_cb, fixture);
  request = peer_expect (fixture, kind == BERTH_FILE_PUT ? BERTH_FRAME_PUT : BERTH_FRAME_GET, much);
  if (kind == BERTH_FILE_PUT)
    send_credit (fixture, request, 1000);
  for (guint i = 0; i < 4 && kind == BERTH_FILE_GET; i++, settle ())
    send_data (fixture, request, much, 60000); /* what a pipe does not hold */
  while (g_poll (&(GPollFD){ .fd = fixture->peer, .events = G_IO_IN }, 1, 0) == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (peer_expect (fixture, BERTH_FRAME_KILL, much), ==, request);
  send_error (fixture, request, BERTH_AGENT_ERROR_CANCELLED, "it was withdrawn");
  assert_fails (fixture, BERTH_ERROR, BERTH_ERROR_INVALID,
                kind == BERTH_FILE_PUT ? "its sender sent nothing" : "its reader took nothing");
  close (ends[kind == BERTH_FILE_PUT ? 1 : 0]);
}

static void
test_put_refused (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    guint32 told;
    BerthError code;
  } codes[] = {
    { BERTH_AGENT_ERROR_INVALID, BERTH_ERROR_INVALID },
    { BERTH_AGENT_ERROR_RESOURCE, BERTH_ERROR_UNAVAILABLE },
    { BERTH_AGENT_ERROR_FULL, BERTH_ERROR_INVALID },
    { BERTH_AGENT_ERROR_DAMAGED, BERTH_ERROR_UNAVAILABLE },
    { BERTH_AGENT_ERROR_BUSY, BERTH_ERROR_UNAVAILABLE },
    { BERTH_AGENT_ERROR_LANGUAGE, BERTH_ERROR_INVALID },
    { 4711, BERTH_ERROR_INTERNAL },
  };
  guint8 payload[256];

  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    {
      int fd = begin (fixture, BERTH_FILE_PUT, "file", 100, NULL);
      guint32 request = peer_expect (fixture, BERTH_FRAME_PUT, payload);

      send_error (fixture, request, codes[i].told, "no: \xff");
      assert_fails (fixture, BERTH_ERROR, (int)codes[i].code, "file 'file': no: \xef\xbf\xbd");
      close (fd);
    }
}

static void
test_put_too_much_credit (Fixture *fixture, gconstpointer data)
{
  guint8 payload[256];
  int fd = begin (fixture, BERTH_FILE_PUT, "file", 100, NULL);
  guint32 request = peer_expect (fixture, BERTH_FRAME_PUT, payload);

  send_credit (fixture, request, BERTH_CREDIT_MAX + 1);
  assert_protocol_error (fixture);
  close (fd);
}

static void
test_folder (Fixture *fixture, gconstpointer data)
{
  guint8 payload[256];
  guint32 request;
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthFileResult) result = NULL;
  BerthPutHead head;

  begin (fixture, BERTH_FILE_MAKE_DIRECTORY, "folder", 0, NULL);
  request = peer_expect (fixture, BERTH_FRAME_PUT, payload);
  memcpy (&head, payload, sizeof head);
  g_assert_cmpuint (head.flags, ==, BERTH_PUT_DIRECTORY);
  send_done (fixture, request, "", 0, S_IFDIR | 0755, 0);
  result = finish (fixture, &error);
  g_assert_no_error (error);
  g_assert_null (result->sha256);
}

static void
add_entry (GByteArray *listing, const char *name, guint8 length, guint32 mode)
{
  guint8 allocated[8];
  BerthLsEntry entry = { .size = 7, .mtime_ns = 1500000000, .mode = mode, .name_size = length };

  g_byte_array_append (listing, (const guint8 *)&entry, sizeof entry);
  g_byte_array_append (listing, (const guint8 *)name, length);
  berth_le64_write (allocated, 4096);
  g_byte_array_append (listing, allocated, sizeof allocated);
}

static void
answer_listing (Fixture *fixture, GByteArray *listing, guint32 flags)
{
  guint8 payload[256];
  guint32 request = peer_expect (fixture, BERTH_FRAME_LS, payload);

  for (gsize at = 0; at < listing->len; at += 10) /* cut anywhere */
    send_data (fixture, request, listing->data + at, MIN (10, listing->len - at));
  send_done (fixture, request, listing->data, listing->len, S_IFDIR | 0755, flags);
}

/* What an agent of an older image tells, and what it does not */
static void
test_list_of_an_older_agent (Fixture *fixture, gconstpointer data)
{
  const BerthLsEntry entry = { .size = 7, .mode = S_IFREG, .name_size = 1 };
  g_autoptr (GByteArray) listing = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthFileResult) result = NULL;
  g_autoptr (GVariant) entries = NULL;
  g_autofree char *text = NULL;

  greet_as (fixture, BERTH_LS_ALLOCATED_VERSION - 1, 0);
  g_byte_array_append (listing, (const guint8 *)&entry, sizeof entry);
  g_byte_array_append (listing, (const guint8 *)"a", 1);
  begin (fixture, BERTH_FILE_LIST, ".", 0, NULL);
  answer_listing (fixture, listing, 0);
  result = finish (fixture, &error);
  g_assert_no_error (error);
  entries = g_variant_ref_sink (berth_file_result_entries_to_variant (result));
  text = g_variant_print (entries, FALSE);
  g_assert_nonnull (strstr (text, "'size': <uint64 7>, 'mtime'"));
}

static void
test_list (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GByteArray) listing = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthFileResult) result = NULL;
  g_autoptr (GVariant) entries = NULL;
  const BerthFileEntry *entry;

  greet (fixture, 0);
  add_entry (listing, "a", 1, S_IFDIR | 0700);
  add_entry (listing, "b\n\xff", 3, S_IFREG | 0644);
  begin (fixture, BERTH_FILE_LIST, ".", 0, NULL);
  answer_listing (fixture, listing, BERTH_DONE_MORE);
  result = finish (fixture, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (result->entries->len, ==, 2);
  g_assert_true (result->is_more);
  entry = g_ptr_array_index (result->entries, 1);
  g_assert_cmpstr (entry->name, ==, "b\n\xff");
  g_assert_cmpint (entry->mtime_us, ==, 1500000);
  g_assert_cmpuint (entry->allocated, ==, 4096);
  entries = g_variant_ref_sink (berth_file_result_entries_to_variant (result));
  g_assert_cmpuint (g_variant_n_children (entries), ==, 2);
}

static void
test_list_lies (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    const char *first, *second;
    guint8 cut;
  } lies[] = {
    { "..", NULL, 0 }, { ".", NULL, 0 }, { "a/b", NULL, 0 }, { "", NULL, 0 },  { "b", "a", 0 },
    { "a", "a", 0 },   { "/", NULL, 0 }, { "a", NULL, 1 },   { "a", NULL, 8 },
  };

  greet (fixture, 0);
  for (guint i = 0; i < G_N_ELEMENTS (lies); i++)
    {
      g_autoptr (GByteArray) listing = g_byte_array_new ();

      add_entry (listing, lies[i].first, (guint8)strlen (lies[i].first), S_IFREG);
      if (lies[i].second != NULL)
        add_entry (listing, lies[i].second, (guint8)strlen (lies[i].second), S_IFREG);
      g_byte_array_set_size (listing, listing->len - lies[i].cut);
      begin (fixture, BERTH_FILE_LIST, ".", 0, NULL);
      answer_listing (fixture, listing, 0);
      assert_fails (fixture, BERTH_ERROR, BERTH_ERROR_INVALID, "no folder");
    }
  {
    g_autoptr (GByteArray) listing = g_byte_array_new ();

    add_entry (listing, "a\0b", 3, S_IFREG);
    begin (fixture, BERTH_FILE_LIST, ".", 0, NULL);
    answer_listing (fixture, listing, 0);
    assert_fails (fixture, BERTH_ERROR, BERTH_ERROR_INVALID, "no folder");
  }
}

static void
test_list_flood (Fixture *fixture, gconstpointer data)
{
  g_autofree guint8 *much = g_malloc0 (BERTH_FRAME_MAX_PAYLOAD);
  BerthFileRequest *file = berth_file_request_new (BERTH_FILE_LIST, ".");
  guint32 request;

  file->count_max = 10;
  berth_guest_file_async (fixture->agent, file, NULL, done_cb, fixture);
  request = peer_expect (fixture, BERTH_FRAME_LS, much);
  send_data (fixture, request, much, berth_file_listing_max (10) + 1);
  assert_protocol_error (fixture);
}

static void
test_cancel (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  guint8 payload[256];
  int fd = begin (fixture, BERTH_FILE_PUT, "file", 100, cancellable);
  guint32 request = peer_expect (fixture, BERTH_FRAME_PUT, payload);

  g_cancellable_cancel (cancellable);
  settle ();
  g_assert_cmpuint (peer_expect (fixture, BERTH_FRAME_KILL, payload), ==, request);
  g_assert_null (fixture->result); /* not before the guest has stopped */
  send_error (fixture, request, BERTH_AGENT_ERROR_CANCELLED, "it was withdrawn");
  assert_fails (fixture, G_IO_ERROR, G_IO_ERROR_CANCELLED, "withdrawn");
  close (fd);
}

static void
test_the_guest_dies (Fixture *fixture, gconstpointer data)
{
  int fd = begin (fixture, BERTH_FILE_GET, "file", 0, NULL);

  settle ();
  shutdown (fixture->peer, SHUT_RDWR);
  assert_fails (fixture, BERTH_ERROR, BERTH_ERROR_GONE, "the VM ended");
  g_assert_true (fixture->is_closed);
  assert_end_of_file (fd);
}

static void
counted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BerthFileResult) finished
      = berth_guest_file_finish (BERTH_GUEST (source), result, NULL);

  if (finished != NULL)
    (*(guint *)user_data)++;
}

/* More than the guest takes: they wait for their turn. */
static void
test_several (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  guint32 requests[BERTH_FILES_MAX + 1];
  guint8 payload[256];
  guint finished = 0, withdrawn = 0;

  for (guint i = 0; i <= BERTH_FILES_MAX; i++)
    berth_guest_file_async (fixture->agent,
                            berth_file_request_new (BERTH_FILE_MAKE_DIRECTORY, "folder"), NULL,
                            counted_cb, &finished);
  berth_guest_file_async (fixture->agent,
                          berth_file_request_new (BERTH_FILE_MAKE_DIRECTORY, "folder"), cancellable,
                          counted_cb, &withdrawn);
  for (guint i = 0; i < BERTH_FILES_MAX; i++)
    requests[i] = peer_expect (fixture, BERTH_FRAME_PUT, payload);
  g_assert_cmpint (recv (fixture->peer, payload, 1, MSG_DONTWAIT), ==, -1);
  g_cancellable_cancel (cancellable);
  settle ();
  send_done (fixture, requests[2], "", 0, S_IFDIR, 0);
  settle ();
  requests[2] = peer_expect (fixture, BERTH_FRAME_PUT, payload);
  for (guint i = 0; i < BERTH_FILES_MAX; i++)
    send_done (fixture, requests[i], "", 0, S_IFDIR, 0);
  while (finished < BERTH_FILES_MAX + 1)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (recv (fixture->peer, payload, 1, MSG_DONTWAIT), ==, -1);
  g_assert_cmpuint (withdrawn, ==, 0);
}

/* ---- the real agent ---- */

#define LARGE (24u * 1024 * 1024)

static gpointer
write_thread (gpointer user_data)
{
  int fd = GPOINTER_TO_INT (user_data);
  guint8 bytes[50000];

  for (gsize done = 0; done < LARGE;)
    {
      gsize part = MIN (sizeof bytes, LARGE - done);

      memset (bytes, (int)(done / sizeof bytes), part);
      g_assert_cmpint (write (fd, bytes, part), ==, (gssize)part);
      done += part;
    }
  close (fd);
  return NULL;
}

static gpointer
read_thread (gpointer user_data)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  int fd = GPOINTER_TO_INT (user_data);
  guint8 bytes[50000];
  gssize got;

  while ((got = read (fd, bytes, sizeof bytes)) > 0)
    g_checksum_update (sum, bytes, got);
  close (fd);
  return g_strdup (g_checksum_get_string (sum));
}

static void
test_all_the_way (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthFileResult) put = NULL;
  g_autoptr (BerthFileResult) get = NULL;
  g_autoptr (BerthFileResult) ls = NULL;
  g_autofree char *sum = NULL;
  GThread *thread;
  int fd = begin (fixture, BERTH_FILE_PUT, "large", LARGE, NULL);

  thread = g_thread_new ("write", write_thread, GINT_TO_POINTER (fd));
  put = finish (fixture, &error);
  g_assert_no_error (error);
  g_thread_join (thread);
  fd = begin (fixture, BERTH_FILE_GET, "large", 0, NULL);
  thread = g_thread_new ("read", read_thread, GINT_TO_POINTER (fd));
  get = finish (fixture, &error);
  g_assert_no_error (error);
  sum = g_thread_join (thread);
  g_assert_cmpstr (put->sha256, ==, sum);
  g_assert_cmpstr (get->sha256, ==, sum);
  begin (fixture, BERTH_FILE_LIST, ".", 0, NULL);
  ls = finish (fixture, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (ls->entries->len, ==, 1);
  g_assert_cmpuint (((BerthFileEntry *)g_ptr_array_index (ls->entries, 0))->size, ==, LARGE);
}

static void
test_refused_all_the_way (Fixture *fixture, gconstpointer data)
{
  close (begin (fixture, BERTH_FILE_GET, "missing", 0, NULL));
  assert_fails (fixture, BERTH_ERROR, BERTH_ERROR_INVALID, "file 'missing': No such file");
  close (begin (fixture, BERTH_FILE_GET, "/etc/passwd", 0, NULL));
  assert_fails (fixture, BERTH_ERROR, BERTH_ERROR_INVALID, "absolute path");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 3);
  agent_program = argv[1];
  agent_runners = argv[2];
#define ADD(name, func) g_test_add ("/agent-file/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("get", test_get);
  ADD ("get-lies", test_get_lies);
  ADD ("get-slow-reader", test_get_slow_reader);
  ADD ("get-reader-goes-away", test_get_reader_goes_away);
  ADD ("get-beyond-credit", test_get_beyond_credit);
  ADD ("get-beyond-the-limit", test_get_beyond_the_limit);
  ADD ("put", test_put);
  for (guint version = BERTH_PUT_HOLES_VERSION - 1; version <= BERTH_PUT_HOLES_VERSION; version++)
    g_test_add (version < BERTH_PUT_HOLES_VERSION ? "/agent-file/zeros" : "/agent-file/holes",
                Fixture, GUINT_TO_POINTER (version), set_up, test_put_holes, tear_down);
  ADD ("put-ends-early", test_put_ends_early);
  for (guint kind = BERTH_FILE_PUT; kind <= BERTH_FILE_GET; kind++)
    if (kind != BERTH_FILE_MAKE_DIRECTORY)
      g_test_add (kind == BERTH_FILE_PUT ? "/agent-file/sender-does-nothing"
                                         : "/agent-file/reader-does-nothing",
                  Fixture, GUINT_TO_POINTER (kind), set_up, test_caller_does_nothing, tear_down);
  ADD ("reader-does-nothing-at-the-end", test_reader_does_nothing_at_the_end);
  ADD ("put-refused", test_put_refused);
  ADD ("put-too-much-credit", test_put_too_much_credit);
  ADD ("folder", test_folder);
  ADD ("list", test_list);
  ADD ("list-of-an-older-agent", test_list_of_an_older_agent);
  ADD ("list-lies", test_list_lies);
  ADD ("list-flood", test_list_flood);
  ADD ("cancel", test_cancel);
  ADD ("the-guest-dies", test_the_guest_dies);
  ADD ("several", test_several);
#undef ADD
  g_test_add ("/agent-file/all-the-way", Fixture, NULL, set_up_real, test_all_the_way,
              tear_down_real);
  g_test_add ("/agent-file/refused-all-the-way", Fixture, NULL, set_up_real,
              test_refused_all_the_way, tear_down_real);
  return g_test_run ();
}
