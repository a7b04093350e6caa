using Paas.Receiver;

// What scripts/bench.d calls: each word is one thing that is measured from outside or measures itself.
switch (args)
{
    case ["serve-router", var listen, var backend]:
        await RouterBench.ServeAsync(int.Parse(listen), int.Parse(backend));
        return 0;
    case ["router-lookup"]:
        RouterBench.Lookup();
        return 0;
    case ["router-websockets", var count]:
        await RouterBench.WebSocketsAsync(int.Parse(count));
        return 0;
    case ["router-websocket-ends"]:
        await RouterBench.WebSocketEndsAsync();
        return 0;
    case ["instances", var count, var hooks]:
        await FleetBench.InstancesAsync(int.Parse(count), hooks);
        return 0;
    default:
        Console.Error.WriteLine("serve-router LISTEN-PORT BACKEND-PORT | router-lookup | router-websockets COUNT | instances COUNT HOOKS");
        return 2;
}
