/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Five blocks in each other; lists of values are none. */
void
deep (void)
{
  static const int table[][2][1] = { { { 1 }, { 2 } }, { { 3 }, { 4 } } };

  if (a)
    {
      if (b)
        {
          if (c)
            {
              if (d)
                {
                  while (e)
                    {
                      step (table);
                    }
                }
            }
        }
    }
}
