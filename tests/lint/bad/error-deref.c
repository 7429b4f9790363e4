/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* as if it were plugin/manager/berth-manager.c */
gboolean
explain (GError **error)
{
  g_autofree char *told = g_strdup ((*error)->message);
  /* a waiver of another rule is none: */
  return told != NULL && (*error)->code > 0; /* lint: goto: not this one */
}
