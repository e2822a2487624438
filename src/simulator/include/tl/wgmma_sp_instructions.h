// The simulator needs no register lists.
