/* No licence. */
int answer (void);
