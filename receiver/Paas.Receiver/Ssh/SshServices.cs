namespace Paas.Receiver.Ssh;

/// <summary>The door by ssh, and the sshd before it where <c>PAAS_SSH_LISTEN</c> wants one.</summary>
static class SshServices
{
    public static IServiceCollection AddSsh(this IServiceCollection services, ReceiverOptions options)
    {
        var here = System.Net.IPAddress.Any.Equals(options.Listen.Address) || System.Net.IPAddress.IPv6Any.Equals(options.Listen.Address)
            ? new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, options.Listen.Port) : options.Listen;
        return services
            .AddSingleton(new SshSettings(options.SshListen, options.State, options.HooksDirectory, new Uri($"http://{here}/")))
            .AddSingleton<Terminals>()
            .AddSingleton<FixTerminal>()
            .AddSingleton<Verbs>()
            .AddHostedService<SshDoor>()
            .AddHostedService<SshDaemon>();
    }
}
