using Paas.Receiver.Access;
using Paas.Receiver.Deployments;
using Paas.Receiver.Notifications;
using Paas.Receiver.Projects;

namespace Paas.Receiver.Api;

/// <summary>
/// "How to get in": told to the operators and to whoever asked, when an environment or a project is made (R13.4, R13.5, R15.4, A22). Nothing secret is in it (A24): everybody
/// comes with a token or a key of their own.
/// </summary>
sealed partial class AccessNotices(Outbox outbox, TellingOptions options, Users users, Visitors visitors, ThisHost host, ILogger<AccessNotices> logger)
{
    public void Tell(HttpContext context, Projects.Environment environment) => Tell(context, $"environment {environment.Name} is made", environment, null, [
        $"Type {environment.Type.ToString().ToLowerInvariant()}, mode {environment.Mode.ToString().ToLowerInvariant()}, uuid {environment.Uuid}",
        $"Projects in it answer at http://PROJECT.{environment.Name}.{host.Domain}",
    ]);

    public void Tell(HttpContext context, Project project) => Tell(context, $"{project} is made", project.Environment, project, [$"It answers at {visitors.Url(project)} once it is pushed"]);

    void Tell(HttpContext context, string subject, Projects.Environment environment, Project? project, IEnumerable<string> lines)
    {
        try
        {
            var asker = Desk.AskerOf(context).Caller;
            var mine = asker.User is { } name && users.Find(name)?.Email is { Length: > 0 } email ? new Recipient("mail", email) : null;
            var recipients = options.Operators.Concat(mine is not null && outbox.Channels.FirstOrDefault(channel => channel.Name == "mail")?.WhyNot(mine) is null ? [mine!] : Array.Empty<Recipient>()).ToList();
            if (mine is null && options.Operators.Count == 0)
            {
                return;
            }

            var path = $"{(environment.IsDefault ? "" : $"{environment.Name}/")}{project?.Name.Value ?? "PROJECT"}";
            var http = $"{context.Request.Scheme}://{context.Request.Host}/git/{path}.git";
            var ssh = host.SshPort is { } port ? $"ssh://{asker.User ?? "USER"}@{context.Request.Host.Host}:{port}/{path}.git" : null;
            outbox.Put(
                new Notice
                {
                    Id = $"access-{environment.Uuid}-{project?.Name.Value}-{Guid.NewGuid():N}",
                    Event = "access",
                    Subject = subject,
                    Text = string.Join('\n', [
                        $"{subject}, asked for by {asker.Name}.", "", .. lines, "", $"Push code to    {http}", $"configuration   {http[..^".git".Length]}/pillar.git",
                        .. ssh is null ? Array.Empty<string>() : [$"or by ssh       {ssh}"], "", "Come with your own token or key: nothing secret is in this message.", "",
                    ]),
                    Facts = new Dictionary<string, string?>
                    {
                        ["environment"] = environment.Name.Value,
                        ["uuid"] = environment.Uuid.ToString(),
                        ["project"] = project?.Name.Value,
                        ["url"] = project is null ? null : visitors.Url(project),
                        ["repository"] = http,
                        ["ssh"] = ssh,
                        ["by"] = asker.Name,
                    },
                },
                recipients);
        }
        catch (Exception e)
        {
            // It is made, whoever hears of it.
            Log.NotTold(logger, e, subject);
        }
    }

    static partial class Log
    {
        [LoggerMessage(Level = LogLevel.Error, Message = "Nobody could be told that {what}")]
        public static partial void NotTold(ILogger logger, Exception exception, string what);
    }
}
