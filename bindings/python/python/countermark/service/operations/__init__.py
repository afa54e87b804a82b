"""Each operation of the API as a call: arguments in, :class:`~countermark.service.call.Call` out, no I/O."""
