using System.Net;
using System.Net.Mail;
using System.Text;

namespace Paas.Receiver.Notifications;

/// <summary>Where mail is handed over: <c>PAAS_SMTP</c>, <c>PAAS_MAIL_FROM</c>.</summary>
/// <param name="Server"><c>smtp://[user:password@]host[:port]</c>; <c>smtp+tls</c> insists on STARTTLS.</param>
sealed record MailSettings(Uri Server, string From)
{
    public bool Encrypted => Server.Scheme == "smtp+tls";

    public NetworkCredential? Credential => Server.UserInfo.Split(':', 2) is [{ Length: > 0 } user, var password]
        ? new NetworkCredential(Uri.UnescapeDataString(user), Uri.UnescapeDataString(password)) : null;
}

/// <summary>Mail by SMTP, in plain text.</summary>
sealed class MailChannel(MailSettings? settings) : INotificationChannel
{
    public string Name => "mail";

    public string? WhyNot(Recipient recipient) => settings is null ? "this receiver sends no mail (PAAS_SMTP is not set)" : IsAddress(recipient.Target) ? null : $"'{Logs.LogStream.Harmless(recipient.Target)}' is no mail address";

    public async Task SendAsync(Notice notice, Recipient recipient, CancellationToken ct)
    {
        if (settings is null || !IsAddress(recipient.Target))
        {
            throw new UndeliverableException(WhyNot(recipient)!);
        }

        using var message = new MailMessage(settings.From, recipient.Target)
        {
            // A line break in a subject would be a header of somebody else's making.
            Subject = string.Concat(notice.Subject.Select(c => char.IsControl(c) ? ' ' : c)),
            SubjectEncoding = Encoding.UTF8,
            Body = notice.Text,
            BodyEncoding = Encoding.UTF8,
            BodyTransferEncoding = System.Net.Mime.TransferEncoding.QuotedPrintable,
        };
        message.Headers.Add("Message-ID", $"<{notice.Id}@{Dns.GetHostName()}>");
        message.Headers.Add("Auto-Submitted", "auto-generated");
        using var client = new SmtpClient(settings.Server.Host, settings.Server.Port > 0 ? settings.Server.Port : settings.Encrypted ? 587 : 25)
        {
            EnableSsl = settings.Encrypted,
            UseDefaultCredentials = false,
            Credentials = settings.Credential,
        };
        try
        {
            await client.SendMailAsync(message, ct);
        }
        catch (SmtpFailedRecipientException e) when (e.StatusCode is SmtpStatusCode.MailboxUnavailable or SmtpStatusCode.MailboxNameNotAllowed or SmtpStatusCode.UserNotLocalTryAlternatePath)
        {
            throw new UndeliverableException($"the mail server refused {recipient.Target}", e);
        }
    }

    static bool IsAddress(string text) =>
        text.Length is > 2 and < 255 && !text.Any(c => char.IsControl(c) || c is ' ' or ',' or ';' or '<' or '>') && MailAddress.TryCreate(text, out var address) && address.Address == text;
}
