/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* as if it were plugin/libvirt/berth-domain.c */
const char *
last_words (void)
{
  return virGetLastErrorMessage ();
}
