/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What follows from a domain's name, and which life of a domain an event is about: each order in
 * which libvirt's events and a machine's own steps can come, in a world of numbers. */
#include "plugin/libvirt/berth-lives.h"
#include "plugin/libvirt/berth-places.h"

#define NO_ID G_MAXUINT

static void
test_uuid (void)
{
  g_autoptr (BerthPlaces) one = berth_places_new ("host 0", "default");
  g_autoptr (BerthPlaces) again = berth_places_new ("host 0", "default");
  g_autoptr (BerthPlaces) other_host = berth_places_new ("other 0", "default");
  g_autoptr (BerthPlaces) other = berth_places_new ("host 0", "mine");
  g_autofree char *uuid = berth_places_make_uuid (one, "berth-python-1");
  g_autofree char *same = berth_places_make_uuid (again, "berth-python-1");
  g_autofree char *next = berth_places_make_uuid (one, "berth-python-2");
  g_autofree char *elsewhere = berth_places_make_uuid (other_host, "berth-python-1");
  g_autofree char *others = berth_places_make_uuid (other, "berth-python-1");

  g_assert_true (g_uuid_string_is_valid (uuid));
  g_assert_cmpint (uuid[14], ==, '8');
  g_assert_cmpstr (uuid, ==, same);
  g_assert_cmpstr (uuid, !=, next);
  g_assert_cmpstr (uuid, !=, elsewhere);
  g_assert_cmpstr (uuid, !=, others);
}

static gboolean
keeps (BerthPlaces *places, const char *name)
{
  g_autofree char *uuid = berth_places_make_uuid (places, name);

  return berth_places_keeps (places, name, uuid);
}

static void
test_which_stay (void)
{
  g_autoptr (BerthPlaces) places = berth_places_new (NULL, "default");

  g_assert_true (keeps (places, "berth-python-3")); /* nobody has said how many */
  berth_places_set_kept (places, 2, g_strsplit ("berth-python berth-shell", " ", -1));
  g_assert_true (keeps (places, "berth-python-1"));
  g_assert_true (keeps (places, "berth-python-2"));
  g_assert_false (keeps (places, "berth-python-3"));
  g_assert_false (keeps (places, "berth-python"));
  g_assert_false (keeps (places, "berth-python-0"));
  g_assert_false (keeps (places, "berth-python-99999999999"));
  g_assert_true (keeps (places, "berth-shell-1"));
  g_assert_false (keeps (places, "berth-perl-1")); /* a template that is gone */
  g_assert_false (keeps (places, "old-python-1")); /* another prefix */
  /* an administrator's of that name, or of a berthd that gave each VM a uuid */
  g_assert_false (
      berth_places_keeps (places, "berth-python-1", "6695eb01-f6a4-8304-79aa-97f2502e193f"));
}

static void
test_taken (void)
{
  g_autoptr (BerthPlaces) places = berth_places_new (NULL, "default");

  g_assert_false (berth_places_is_taken (places, "berth-python-1"));
  berth_places_take (places, "berth-python-1");
  berth_places_take (places, "berth-python-1");
  berth_places_give_back (places, "berth-python-1");
  g_assert_true (berth_places_is_taken (places, "berth-python-1"));
  berth_places_give_back (places, "berth-python-1");
  g_assert_false (berth_places_is_taken (places, "berth-python-1"));
}

/* Others pass it over until then. */
static void
test_rests (void)
{
  g_autoptr (BerthPlaces) places = berth_places_new (NULL, "default");
  gint64 begin = g_get_monotonic_time ();

  berth_places_take (places, "berth-python-1");
  berth_places_rest (places, "berth-python-1");
  berth_places_give_back (places, "berth-python-1");
  g_assert_true (berth_places_is_taken (places, "berth-python-1"));
  g_assert_false (berth_places_is_taken (places, "berth-python-2"));
  while (berth_places_is_taken (places, "berth-python-1"))
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (g_get_monotonic_time () - begin, >, G_USEC_PER_SEC);
}

/* ---- lives ---- */

/* A letter is an event: S started, p paused or resumed, with its number; E an end with its number,
 * e one without, u an event of a domain whose handle has no number any more. Each number of the
 * text is the life of the event, as it must be told. 0: nobody knows. */
static void
test_order (gconstpointer data)
{
  const char *order = data;
  BerthLives *lives = berth_lives_new ();

  for (const char *at = order; *at != '\0'; at += 2)
    {
      guint life = (guint)g_ascii_digit_value (at[1]);
      guint got = 0;

      switch (*at)
        {
        case 'S':
        case 'p':
          got = berth_lives_note (lives, "uuid", life);
          break;
        case 'u':
          got = berth_lives_note (lives, "uuid", NO_ID);
          break;
        case 'E':
          got = berth_lives_note_end (lives, "uuid", life);
          break;
        case 'e':
          got = berth_lives_note_end (lives, "uuid", NO_ID);
          break;
        case 'c':
          berth_lives_clear (lives);
          break;
        default:
          g_assert_not_reached ();
        }
      g_assert_cmpuint (got, ==, life);
      g_assert_cmpuint (berth_lives_note (lives, "other", NO_ID), ==, 0);
    }
  berth_lives_free (lives);
}

int
main (int argc, char **argv)
{
  static const char *const orders[]
      = { "S1p1E1",     "S1p1e0S2e0",   "S1e0e0",   "e0S2p2u2e0", "S1E1S2E2S3e0",
          "S1c0e0S2e0", "p4p4e0S5E5u0", "S1S2e0e0", "S1p1c0p1e0" };

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/places/uuid", test_uuid);
  g_test_add_func ("/places/which-stay", test_which_stay);
  g_test_add_func ("/places/taken", test_taken);
  g_test_add_func ("/places/rests", test_rests);
  for (guint i = 0; i < G_N_ELEMENTS (orders); i++)
    {
      g_autofree char *path = g_strdup_printf ("/places/lives/%s", orders[i]);

      g_test_add_data_func (path, orders[i], test_order);
    }
  return g_test_run ();
}
