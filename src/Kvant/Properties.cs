// Buffers on the stack are written before they are read; clearing them first would cost more than the work on a row.
[module: System.Runtime.CompilerServices.SkipLocalsInit]
