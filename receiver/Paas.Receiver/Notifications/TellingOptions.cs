using System.Net.Mail;

namespace Paas.Receiver.Notifications;

/// <summary>What the operator says about telling people: how mail leaves, and who hears of every project.</summary>
sealed record TellingOptions
{
    /// <summary><c>PAAS_SMTP</c> and <c>PAAS_MAIL_FROM</c>; null sends no mail.</summary>
    public MailSettings? Mail { get; init; }

    /// <summary><c>PAAS_NOTIFY_MAIL</c> (comma separated), <c>PAAS_NOTIFY_WEBHOOK</c> with <c>PAAS_NOTIFY_WEBHOOK_SECRET</c>, <c>PAAS_NOTIFY_COMMAND</c>: told of everything, whatever a project wants.</summary>
    public IReadOnlyList<Recipient> Operators { get; init; } = [];

    /// <summary><c>PAAS_NOTIFY_PRIVATE=1</c>: webhooks may lead to this machine and its link.</summary>
    public bool Anywhere { get; init; }

    public static TellingOptions From(IConfiguration configuration, string domain, List<string> mistakes)
    {
        var operators = new List<Recipient>();
        operators.AddRange((configuration["PAAS_NOTIFY_MAIL"] ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(address => new Recipient("mail", address)));
        if (configuration["PAAS_NOTIFY_WEBHOOK"] is { Length: > 0 } webhook)
        {
            operators.Add(new Recipient("webhook", webhook, configuration["PAAS_NOTIFY_WEBHOOK_SECRET"]));
        }

        var anywhere = configuration["PAAS_NOTIFY_PRIVATE"] is "1" or "true";
        var mail = MailOf(configuration, domain, mistakes);
        using var webhooks = new WebhookChannel(anywhere, TimeProvider.System);
        foreach (var recipient in operators)
        {
            INotificationChannel channel = recipient.Channel == "mail" ? new MailChannel(mail) : webhooks;
            if (channel.WhyNot(recipient) is { } why)
            {
                mistakes.Add($"PAAS_NOTIFY_{recipient.Channel.ToUpperInvariant()}: {why}");
            }
        }

        if (configuration["PAAS_NOTIFY_COMMAND"] is { Length: > 0 } command)
        {
            operators.Add(new Recipient(CommandChannel.ChannelName, command));
            if (!Path.IsPathFullyQualified(command) || !File.Exists(command))
            {
                mistakes.Add($"PAAS_NOTIFY_COMMAND: there is no '{command}' (an absolute path is wanted)");
            }
        }

        return new TellingOptions { Mail = mail, Operators = operators, Anywhere = anywhere };
    }

    static MailSettings? MailOf(IConfiguration configuration, string domain, List<string> mistakes)
    {
        if (configuration["PAAS_SMTP"] is not { Length: > 0 } text)
        {
            return null;
        }

        var from = configuration["PAAS_MAIL_FROM"] is { Length: > 0 } given ? given : $"paas@{(domain.Contains('.', StringComparison.Ordinal) ? domain : "localhost.localdomain")}";
        if (!MailAddress.TryCreate(from, out _))
        {
            mistakes.Add("PAAS_MAIL_FROM: is no mail address");
        }

        // The value is not repeated: it may hold a password.
        if (!Uri.TryCreate(text, UriKind.Absolute, out var server) || server.Scheme is not ("smtp" or "smtp+tls") || server.Host.Length == 0)
        {
            mistakes.Add("PAAS_SMTP: is not smtp://[USER:PASSWORD@]HOST[:PORT], or smtp+tls:// to insist on encryption");
            return null;
        }

        return new MailSettings(server, from);
    }
}
