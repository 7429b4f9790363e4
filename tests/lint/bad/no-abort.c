/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* as if it were plugin/daemon/berth-service.c */
void
give_up (void)
{
  g_error ("no memory");
}

void
may_give_up (void)
{
  exit (1); /* lint: no-abort: an example of a waiver */
}
