/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ring of a background exec's output against a list that keeps all. */
#include <glib.h>

#include "agent-log.h"

#define SIZE_MAX_WRITTEN 40000u
#define READERS 3

typedef struct
{
  BerthAgentGroups groups;
  BerthAgentLog log;
  GByteArray *all; /* each byte that was written, and behind it its stream */
  guint8 next;
} Fixture;

typedef struct
{
  BerthAgentLogCursor cursor;
  guint64 at; /* in bytes written, from the first on */
  guint64 lost;
} Reader;

static void
fixture_set_up (Fixture *fixture, gconstpointer data)
{
  berth_agent_groups_init (&fixture->groups);
  berth_agent_log_init (&fixture->log, &fixture->groups, BERTH_LOG_MB << 20);
  fixture->all = g_byte_array_new ();
}

static void
fixture_tear_down (Fixture *fixture, gconstpointer data)
{
  berth_agent_log_clear (&fixture->log);
  g_byte_array_unref (fixture->all);
}

static void
write_some (Fixture *fixture, guint32 size, guint32 stream, guint64 time_us)
{
  g_autofree guint8 *bytes = g_malloc (size);

  for (guint32 i = 0; i < size; i++)
    {
      guint8 pair[2] = { fixture->next, (guint8)stream };

      bytes[i] = fixture->next++;
      g_byte_array_append (fixture->all, pair, 2);
    }
  berth_agent_log_append (&fixture->log, stream, time_us, bytes, size);
}

/* Reads up to @most bytes; whether there were any. */
static gboolean
read_some (Fixture *fixture, Reader *reader, guint32 most)
{
  g_autofree guint8 *bytes = g_malloc (SIZE_MAX_WRITTEN);
  guint64 lost = 0;
  guint32 stream = 0;
  guint32 size = berth_agent_log_peek (&fixture->log, &reader->cursor, &stream, &lost);

  reader->at += lost;
  reader->lost += lost;
  if (size == 0)
    return FALSE;
  size = MIN (size, most);
  berth_agent_log_read (&fixture->log, &reader->cursor, bytes, size);
  for (guint32 i = 0; i < size; i++, reader->at++)
    {
      g_assert_cmpuint (bytes[i], ==, fixture->all->data[2 * reader->at]);
      g_assert_cmpuint (stream, ==, fixture->all->data[2 * reader->at + 1]);
    }
  return TRUE;
}

/* Readers that are slow, fast and late see the same bytes, but for those that fell out. */
static void
test_random (Fixture *fixture, gconstpointer data)
{
  Reader readers[READERS] = { 0 };
  guint64 time_us = 1;

  for (guint i = 0; i < READERS; i++)
    berth_agent_log_seek (&fixture->log, &readers[i].cursor, 0);
  for (guint round = 0; round < 400; round++)
    {
      guint32 most = g_test_rand_bit () ? SIZE_MAX_WRITTEN : 100;

      time_us += (guint64)g_test_rand_int_range (0, 200000);
      write_some (fixture, (guint32)g_test_rand_int_range (1, (gint32)most),
                  (guint32)g_test_rand_bit (), time_us);
      g_assert_cmpuint (fixture->log.end - fixture->log.begin, <=, fixture->log.room);
      g_assert_cmpuint (fixture->log.room, <=, BERTH_LOG_MB << 20);
      for (guint i = 0; i < READERS; i++)
        for (guint n = 0; n < i * 3; n++)
          read_some (fixture, &readers[i], (guint32)g_test_rand_int_range (1, 20000));
    }
  for (guint i = 0; i < READERS; i++)
    {
      while (read_some (fixture, &readers[i], SIZE_MAX_WRITTEN))
        ;
      g_assert_cmpuint (readers[i].at, ==, fixture->all->len / 2);
    }
  g_assert_cmpuint (readers[0].lost, ==, fixture->log.dropped);
  g_assert_cmpuint (fixture->log.dropped, >, 0);
}

static void
test_since (Fixture *fixture, gconstpointer data)
{
  Reader reader = { 0 };

  write_some (fixture, 10, 0, 1000000);
  write_some (fixture, 10, 0, 1050000); /* joined to those before */
  write_some (fixture, 10, 1, 2000000);
  write_some (fixture, 10, 0, 3000000);
  berth_agent_log_seek (&fixture->log, &reader.cursor, 2000000);
  reader.at = 20;
  while (read_some (fixture, &reader, 7))
    ;
  g_assert_cmpuint (reader.at, ==, 40);
  g_assert_cmpuint (reader.lost, ==, 0);
  berth_agent_log_seek (&fixture->log, &reader.cursor, 3000001);
  g_assert_false (read_some (fixture, &reader, 7));
}

/* Who wants only what is newer than all that is kept reads what comes next, also where that makes
 * the newest piece longer: what a program wrote is never taken for a head. */
static void
test_since_later (Fixture *fixture, gconstpointer data)
{
  const guint older = GPOINTER_TO_UINT (data);
  Reader reader = { 0 };

  for (guint i = 0; i < older; i++)
    write_some (fixture, 10, i % 2, 1000000 * (i + 1));
  berth_agent_log_seek (&fixture->log, &reader.cursor, 1000000 * older + 1);
  reader.at = 10 * older;
  g_assert_false (read_some (fixture, &reader, 7));
  write_some (fixture, 300, (older - 1) % 2, 1000000 * older + 2);
  write_some (fixture, 300, older % 2, 1000000 * older + 3);
  while (read_some (fixture, &reader, 7))
    ;
  g_assert_cmpuint (reader.at, ==, 10 * older + 600);
  g_assert_cmpuint (reader.lost, ==, 0);
}

/* A program that writes a byte at a time is not kept as heads of pieces. */
static void
test_small_writes (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < 100000; i++)
    write_some (fixture, 1, 0, 1 + i);
  g_assert_cmpuint (fixture->log.dropped, ==, 0);
  g_assert_cmpuint (fixture->log.room, <=, 128 * 1024);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func)                                                                            \
  g_test_add ("/agent/log/" path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
  ADD ("random", test_random);
  ADD ("since", test_since);
  g_test_add ("/agent/log/since-later/one", Fixture, GUINT_TO_POINTER (1), fixture_set_up,
              test_since_later, fixture_tear_down);
  g_test_add ("/agent/log/since-later/some", Fixture, GUINT_TO_POINTER (4), fixture_set_up,
              test_since_later, fixture_tear_down);
  ADD ("small-writes", test_small_writes);
  return g_test_run ();
}
