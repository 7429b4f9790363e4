/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves when a guest's clock is set after a pause: in every order in which berthd can hear of what
 * happens, and where it does not hear. */
#include <string.h>

#include "plugin/libvirt/berth-pauses.h"

/* Each letter is what happens, in capitals where the clock is to be set at it:
 * s suspended, r resumed, c claim begins, d claim ended, u unseen, p found paused, f found running
 */
static const char letters[]
    = { [BERTH_PAUSES_SUSPENDED] = 's',    [BERTH_PAUSES_RESUMED] = 'r',
        [BERTH_PAUSES_CLAIM] = 'c',        [BERTH_PAUSES_CLAIMED] = 'd',
        [BERTH_PAUSES_UNSEEN] = 'u',       [BERTH_PAUSES_FOUND_PAUSED] = 'p',
        [BERTH_PAUSES_FOUND_RUNNING] = 'f' };

static void
test_order (gconstpointer data)
{
  const char *wanted = data;
  g_autofree char *got = g_ascii_strdown (wanted, -1);
  BerthPauses pauses = { 0 };

  for (char *at = got; *at != '\0'; at++)
    {
      const char *letter = memchr (letters, *at, sizeof letters);

      g_assert_nonnull (letter);
      if (berth_pauses_note (&pauses, (BerthPausesNote)(letter - letters)))
        *at = g_ascii_toupper (*at);
    }
  g_assert_cmpstr (got, ==, wanted);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    const char *order;
  } orders[] = {
    { "in-use", "sRsR" },
    { "twice-told", "ssRr" },
    { "claim", "crdsR" },
    /* berth's own pause, told so late that somebody has the VM: no second time beside the claim's
     */
    { "own-pause-told-late", "csrdsR" },
    { "own-resume-told-late", "cdrsR" },
    /* libvirt tells of both only when the claim is over: once too often is no harm */
    { "both-told-late", "cdsRsR" },
    { "paused-during-the-claim", "crsrdsR" },
    { "paused-at-the-end-of-the-claim", "crsdR" },
    { "libvirt-away", "uFsR" },
    { "libvirt-away-and-paused", "upR" },
    { "paused-when-libvirt-went", "suF" },
    { "resumed-while-it-was-looked-at", "uRpsR" },
    { "paused-while-it-was-looked-at", "usFR" },
    { "libvirt-away-during-the-claim", "cufdR" },
    { "nothing-missed", "f" },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (orders); i++)
    {
      g_autofree char *path = g_strconcat ("/pauses/", orders[i].name, NULL);

      g_test_add_data_func (path, orders[i].order, test_order);
    }
  return g_test_run ();
}
