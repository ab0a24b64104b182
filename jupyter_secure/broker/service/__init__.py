"""The broker as a process: one socket, many requests at a time, each answered by one method.

`process` owns the socket and the tasks, `desk` answers the relay, `counter` answers kernels, `panel` answers the
sidebar. None of them opens data: for that there is `broker.gate`.
"""
